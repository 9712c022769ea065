{#- What changed in each pair of `int_broker_instruments__paired`, one row a thing that
    changed: `changes (change, old_value, new_value)`, to be joined laterally. A pair in
    which nothing changed gives no row. The one place where the kinds of change are told,
    for Kite's instruments and for other brokers' rows alike.

    pair: the relation, with the columns of the model, whatever its tokens' type.
    parameters: the one row of the build's parameters. -#}
{% macro pair_changes(pair='paired', parameters='parameters') -%}
    {%- set is_pair -%}
        {{ pair }}.new_token is not null and {{ pair }}.old_token is not null
    {%- endset -%}
    (
        select
            told.change,
            told.old_value,
            told.new_value
        from (
            values
            (
                'listed',
                {{ pair }}.old_token is null,
                null,
                {{ pair }}.new_symbol
            ),
            (
                'expired',
                {{ pair }}.new_token is null
                and {{ pair }}.old_expiry < {{ parameters }}.as_of_date,
                {{ pair }}.old_symbol,
                null
            ),
            (
                'delisted',
                {{ pair }}.new_token is null
                and coalesce({{ pair }}.old_expiry >= {{ parameters }}.as_of_date, true),
                {{ pair }}.old_symbol,
                null
            ),
            (
                'token_changed',
                {{ pair }}.new_token <> {{ pair }}.old_token,
                {{ pair }}.old_token::text,
                {{ pair }}.new_token::text
            ),
            (
                'symbol_changed',
                {{ pair }}.new_symbol <> {{ pair }}.old_symbol,
                {{ pair }}.old_symbol,
                {{ pair }}.new_symbol
            ),
            (
                'name_changed',
                {{ is_pair }}
                and {{ pair }}.new_name is distinct from {{ pair }}.old_name,
                {{ pair }}.old_name,
                {{ pair }}.new_name
            ),
            (
                'strike_changed',
                {{ is_pair }}
                and {{ pair }}.new_strike is distinct from {{ pair }}.old_strike,
                {{ plain_number_text(pair ~ '.old_strike') }},
                {{ plain_number_text(pair ~ '.new_strike') }}
            ),
            (
                'expiry_changed',
                {{ is_pair }}
                and {{ pair }}.new_expiry is distinct from {{ pair }}.old_expiry,
                {{ pair }}.old_expiry::text,
                {{ pair }}.new_expiry::text
            ),
            (
                'lot_changed',
                {{ is_pair }}
                and {{ pair }}.new_lot is distinct from {{ pair }}.old_lot,
                {{ pair }}.old_lot::text,
                {{ pair }}.new_lot::text
            ),
            (
                'tick_changed',
                {{ is_pair }}
                and {{ pair }}.new_tick is distinct from {{ pair }}.old_tick,
                {{ plain_number_text(pair ~ '.old_tick') }},
                {{ plain_number_text(pair ~ '.new_tick') }}
            )
        ) as told (change, is_so, old_value, new_value)
        where told.is_so
    ) as changes
{%- endmacro %}
