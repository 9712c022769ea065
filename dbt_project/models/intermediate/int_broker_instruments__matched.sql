-- One step builds on the other, and the planner's guesses shrink with each until it
-- takes a hundred thousand rows for one. Every join here is large: no nested loops.
{{ config(
    enabled=other_feeds() | length > 0,
    pre_hook='set local enable_nestloop = off',
) }}

with instruments as (
    select * from {{ ref('int_broker_instruments__identified') }}
),

repeated as (
    select * from {{ ref('int_broker_instruments__repeated') }}
),

kite_instruments as (
    select * from {{ ref('int_kite_instruments__identified') }}
),

kite_repeated as (
    select * from {{ ref('int_kite_instruments__repeated') }}
),

parameters as (
    select * from {{ ref('stg_warehouse__build_parameters') }}
),

kept as (
    select
        instruments.broker,
        instruments.feed_position,
        instruments.line_number,
        instruments.exchange,
        instruments.broker_token,
        instruments.spelled_id,
        instruments.exchange_token,
        instruments.kind,
        instruments.token_class,
        instruments.underlying,
        instruments.series,
        instruments.isin,
        case
            when instruments.kind = 'cash'
                then {{ company('instruments.name', 'instruments.underlying') }}
        end as company,
        instruments.is_alias,
        instruments.is_series_told,
        repeated_ids.line_number is not null as is_id_repeated
    from instruments
    -- one to one, or none
    left join repeated as repeated_ids
        on
            instruments.broker = repeated_ids.broker
            and instruments.line_number = repeated_ids.line_number
    -- Asked so, the planner knows that nearly all rows stay; of a left join and what it
    -- did not find, it believes that one does.
    where
        not exists (
            select 1
            from repeated as repeated_tokens
            where
                instruments.broker = repeated_tokens.broker
                and instruments.line_number = repeated_tokens.line_number
                and repeated_tokens.repeats = 'token'
        )
),

-- What the feeds so far list: first Kite's rows, then each feed's as they were matched.
-- The exchange token of what expired is another contract's by now, or will be.
listed_0 as (
    select
        'kite'::text as broker,
        kite_instruments.canonical_id,
        kite_instruments.exchange,
        kite_instruments.kind,
        kite_instruments.underlying,
        null::text as isin,
        case
            when kite_instruments.kind = 'cash'
                then {{ company(
                    'kite_instruments.name', 'kite_instruments.underlying'
                ) }}
        end as company,
        true as is_series_told,
        case
            when kite_instruments.kind in ('future', 'option') then 'contract'
            else kite_instruments.kind
        end as token_class,
        kite_instruments.exchange_token
    from kite_instruments
    -- many instruments to one row of parameters
    inner join parameters
        on
            kite_instruments.expiry_date is null
            or kite_instruments.expiry_date >= parameters.as_of_date
    -- one to one, or none
    left join kite_repeated
        on
            kite_instruments.line_number = kite_repeated.line_number
            and kite_repeated.repeats = 'token'
    where kite_repeated.line_number is null
),
{% for feed in other_feeds() %}
{%- set before = 'listed_' ~ (loop.index - 1) %}
ids_{{ loop.index }} as (
    select
        canonical_id,
        min(exchange) as exchange,
        -- What tells one share of a symbol from another.
        array_agg(exchange_token) filter (
            where kind = 'cash' and exchange_token is not null
        ) as share_tokens,
        array_agg(isin) filter (where kind = 'cash' and isin is not null) as isins,
        array_agg(company) filter (where company is not null) as companies
    from {{ before }}
    group by canonical_id
),

tokens_{{ loop.index }} as (
    select
        exchange,
        token_class,
        exchange_token,
        min(broker) as broker,
        min(canonical_id) as canonical_id,
        min(isin) as isin,
        bool_and(is_series_told) as is_series_told
    from {{ before }}
    where token_class <> 'index' and exchange_token is not null
    group by exchange, token_class, exchange_token
    -- A number of two instruments names neither.
    having min(canonical_id) = max(canonical_id)
),

underlyings_{{ loop.index }} as (
    select distinct
        exchange,
        underlying
    from {{ before }}
    where token_class = 'contract'
),

judged_{{ loop.index }} as (
    select
        kept.broker,
        kept.line_number,
        kept.exchange,
        kept.kind,
        kept.underlying,
        kept.isin,
        kept.company,
        kept.is_series_told,
        kept.token_class,
        kept.exchange_token,
        kept.spelled_id,
        ids.canonical_id as same_terms_id,
        tokens.canonical_id as same_token_id,
        tokens.broker as same_token_broker,
        {{ match_reason() }} as match_reason
    from kept
    -- many rows to one instrument, or none
    left join ids_{{ loop.index }} as ids
        on kept.spelled_id = ids.canonical_id
    -- many rows to one exchange token, or none
    left join tokens_{{ loop.index }} as tokens
        on
            kept.exchange = tokens.exchange
            and kept.token_class = tokens.token_class
            and kept.exchange_token = tokens.exchange_token
    -- many rows to one underlying, or none
    left join underlyings_{{ loop.index }} as underlyings
        on
            kept.token_class = 'contract'
            and kept.exchange = underlyings.exchange
            and kept.underlying = underlyings.underlying
    where kept.broker = '{{ feed }}'
    offset 0 -- noqa: AM09
),

decided_{{ loop.index }} as (
    select
        judged.broker,
        judged.line_number,
        judged.exchange,
        judged.kind,
        judged.underlying,
        judged.isin,
        judged.company,
        judged.is_series_told,
        judged.token_class,
        judged.exchange_token,
        judged.spelled_id,
        judged.same_token_id,
        judged.same_token_broker,
        judged.match_reason,
        {{ match_status('judged.match_reason') }} as match_status,
        case {{ match_status('judged.match_reason') }}
            when 'matched' then coalesce(judged.same_token_id, judged.same_terms_id)
            when 'matched_terms_only' then judged.same_terms_id
            when 'unmatched' then judged.spelled_id
        end as canonical_id
    from judged_{{ loop.index }} as judged
),

listed_{{ loop.index }} as (
    select
        broker,
        canonical_id,
        exchange,
        kind,
        underlying,
        isin,
        company,
        is_series_told,
        token_class,
        exchange_token
    from {{ before }}
    union all
    select
        broker,
        canonical_id,
        exchange,
        kind,
        underlying,
        -- A row without a number does not tell whose the number is.
        case when exchange_token is not null then isin end as isin,
        case when exchange_token is not null then company end as company,
        is_series_told,
        token_class,
        -- A number that is known already keeps its first owner's word for it.
        case when same_token_id is null then exchange_token end as exchange_token
    from decided_{{ loop.index }}
    where canonical_id is not null
),
{% endfor %}
-- noqa: disable=LT02
decided as (
{%- for feed in other_feeds() %}
    select
        broker,
        line_number,
        canonical_id,
        same_token_id,
        same_token_broker,
        match_status,
        match_reason
    from decided_{{ loop.index }}
    {%- if not loop.last %}
    union all
    {%- endif %}
{%- endfor %}
),
-- noqa: enable=LT02

final as (
    select
        instruments.broker,
        instruments.feed_position,
        instruments.line_number,
        instruments.exchange,
        instruments.broker_token,
        decided.canonical_id,
        instruments.spelled_id,
        decided.same_token_id,
        decided.same_token_broker,
        instruments.exchange_token,
        instruments.tradingsymbol,
        instruments.name,
        instruments.segment,
        instruments.instrument_type,
        instruments.kind,
        instruments.underlying,
        instruments.series,
        instruments.isin,
        instruments.option_type,
        decided.match_status,
        -- What agrees in everything needs no reason.
        case
            when
                decided.match_reason not in (
                    'same index', 'same terms, same exchange token'
                )
                then decided.match_reason
        end as match_reason,
        instruments.strike,
        instruments.tick_size_inr,
        instruments.lot_size,
        instruments.expiry_date
    from decided
    -- one to one
    inner join instruments
        on
            decided.broker = instruments.broker
            and decided.line_number = instruments.line_number
)

select * from final
