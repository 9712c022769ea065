{#- What can be said of a row against the feeds before it, and the status that follows: the
    rules of matching. Nothing is guessed: where terms and exchange token do not say the
    same, the row has no instrument.

    match_reason() stands in int_broker_instruments__matched, over
    - kept: the row, with its id spelled from terms;
    - ids: the instrument of that very id, if the feeds before it list one; of a share what
      they tell of it: its exchange tokens, its ISINs and its companies;
    - tokens: the instrument that its exchange token is at the feeds before it;
    - underlyings: its underlying, if the feeds before it list any contract on it. -#}

{% macro match_reason() -%}
    case
        when kept.kind = 'index'
            then case
                when ids.canonical_id is null then 'not listed before'
                when kept.is_alias or ids.exchange = kept.exchange then 'same index'
                else 'an index of this name is on another exchange'
            end
        when tokens.canonical_id = ids.canonical_id
            then 'same terms, same exchange token'
        when tokens.canonical_id is not null
            then case
                when
                    kept.kind = 'cash'
                    and not (kept.is_series_told and tokens.is_series_told)
                    and case
                        when kept.is_series_told
                            then
                                kept.spelled_id
                                = tokens.canonical_id || '-' || kept.series
                        else
                            left(tokens.canonical_id, -3) = kept.spelled_id
                            and substr(right(tokens.canonical_id, 3), 1, 1) = '-'
                    end
                    then 'series not told; symbol and exchange token agree'
                when kept.kind = 'cash' and kept.isin = tokens.isin
                    then 'symbols differ; exchange token and ISIN agree'
                else 'exchange token is another instrument'
            end
        when
            not kept.is_series_told
            and (ids.canonical_id is not null or kept.is_id_repeated)
            then 'series not told, exchange token not listed before'
        when ids.canonical_id is not null and kept.exchange_token is null
            then 'no exchange token'
        -- A symbol is all that there is to a share's terms, and exchanges reuse those.
        when
            kept.exchange_token <> all(ids.share_tokens)
            and not coalesce(
                kept.isin = any(ids.isins),
                kept.company = any(ids.companies),
                false
            )
            then 'exchange tokens differ, and neither ISIN nor name agrees'
        when ids.canonical_id is not null then 'exchange token not listed before'
        when kept.token_class = 'contract' and underlyings.underlying is null
            then 'underlying not listed before'
        else 'not listed before'
    end
{%- endmacro %}

{% macro match_status(reason) -%}
    case
        when
            {{ reason }} in (
                'same index',
                'same terms, same exchange token',
                'series not told; symbol and exchange token agree',
                'symbols differ; exchange token and ISIN agree'
            )
            then 'matched'
        when {{ reason }} in ('no exchange token', 'exchange token not listed before')
            then 'matched_terms_only'
        when
            {{ reason }} in (
                'exchange token is another instrument',
                'exchange tokens differ, and neither ISIN nor name agrees',
                'series not told, exchange token not listed before',
                'an index of this name is on another exchange'
            )
            then 'token_conflict'
        else 'unmatched'
    end
{%- endmacro %}
