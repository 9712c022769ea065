{#- The columns of broker_instruments, in its order, from one of its parts. -#}
{% macro broker_instruments_columns(part) -%}
    select
        broker,
        exchange,
        broker_token,
        instrument_token,
        canonical_id,
        exchange_token,
        tradingsymbol,
        name,
        segment,
        instrument_type,
        series,
        isin,
        option_type,
        symbol_form,
        match_status,
        match_reason,
        is_symbol_agreed,
        is_stale,
        strike,
        tick_size_inr,
        lot_size,
        expiry_date,
        stale_as_of_date
    from {{ part }}
{%- endmacro %}
