with broker_instruments as (
    select * from {{ ref('broker_instruments') }}
),

active_subscriptions as (
    select * from {{ ref('active_subscriptions') }}
),

judged as (
    select
        instrument_token,
        tradingsymbol,
        case
            when strike <> round(strike, 2)
                then
                    'strike '
                    || {{ plain_number_text('strike') }}
                    || ' has more than the 2 decimals of numeric(12,2)'
            when strike >= 10000000000
                then
                    'strike '
                    || {{ plain_number_text('strike') }}
                    || ' has more than the 10 digits of numeric(12,2)'
            when tick_size_inr <> round(tick_size_inr, 4)
                then
                    'tick size '
                    || {{ plain_number_text('tick_size_inr') }}
                    || ' has more than the 4 decimals of numeric(10,4)'
            when tick_size_inr >= 1000000
                then
                    'tick size '
                    || {{ plain_number_text('tick_size_inr') }}
                    || ' has more than the 6 digits of numeric(10,4)'
        end as reason
    from broker_instruments
    where broker = 'kite'
),

final as (
    select
        'postgres'::text as destination,
        judged.instrument_token,
        judged.tradingsymbol,
        judged.reason,
        active_subscriptions.instrument_token is not null as is_active
    from judged
    -- one to one, or none
    left join active_subscriptions
        on judged.instrument_token = active_subscriptions.instrument_token
    where judged.reason is not null
)

select * from final
