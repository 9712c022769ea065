{#- Rupees that an adjusted strike may be off by: it is rounded to the tick. -#}
{%- set adjusted_strike_rounding = 0.1 %}

-- `not materialized`: PostgreSQL would copy all rows of what is asked more than once.
with candidate as not materialized (
    select * from {{ ref('broker_instruments') }}
),

published as not materialized (
    select * from {{ ref('stg_published__broker_instruments') }}
),

parameters as (
    select * from {{ ref('stg_warehouse__build_parameters') }}
),

-- The rows that are not the same on both sides, side by side by token: a few hundred of
-- a hundred thousand. Nothing at all before the first publication.
differing as (
    select
        coalesce(candidate.broker, published.broker) as broker,
        coalesce(candidate.exchange, published.exchange) as exchange,
        candidate.broker_token as new_token,
        candidate.canonical_id as new_id,
        candidate.exchange_token as new_exchange_token,
        candidate.tradingsymbol as new_symbol,
        candidate.name as new_name,
        {{ contract_underlying('candidate.canonical_id') }} as new_underlying,
        candidate.isin as new_isin,
        candidate.instrument_type as new_type,
        candidate.strike as new_strike,
        candidate.tick_size_inr as new_tick,
        candidate.lot_size as new_lot,
        candidate.expiry_date as new_expiry,
        {%- if other_feeds() %}
        candidate.match_status as new_status,
        published.match_status as old_status,
        {%- else %}
        null::text as new_status,
        null::text as old_status,
        {%- endif %}
        published.broker_token as old_token,
        published.canonical_id as old_id,
        published.exchange_token as old_exchange_token,
        published.tradingsymbol as old_symbol,
        published.name as old_name,
        {{ contract_underlying('published.canonical_id') }} as old_underlying,
        published.isin as old_isin,
        published.instrument_type as old_type,
        published.strike as old_strike,
        published.tick_size_inr as old_tick,
        published.lot_size as old_lot,
        published.expiry_date as old_expiry,
        -- Shares and indices are named by their symbol, the rest by their terms.
        coalesce(candidate.instrument_type, published.instrument_type) = 'EQ'
            as is_spot,
        coalesce(candidate.canonical_id, published.canonical_id) like 'INDEX:%'
            as is_index
    from candidate
    -- one to one, or none on either side
    full join published -- noqa: AL04
        on
            candidate.broker = published.broker
            and candidate.exchange = published.exchange
            and candidate.broker_token = published.broker_token
    where
        exists (select 1 from published)
        and (
            candidate.canonical_id is distinct from published.canonical_id
            or candidate.tradingsymbol <> published.tradingsymbol
            or candidate.name is distinct from published.name
            or candidate.tick_size_inr is distinct from published.tick_size_inr
            or candidate.lot_size is distinct from published.lot_size
            or candidate.expiry_date is distinct from published.expiry_date
            or candidate.strike is distinct from published.strike
            {%- if other_feeds() %}
            or (
                candidate.broker <> 'kite'
                and candidate.match_status is distinct from published.match_status
            )
            {%- endif %}
        )
),

-- An underlying is renamed when its old one is in the dump no more and its new one was
-- not in the last: a token under two living ones went from one to the other.
renamed_underlyings as (
    select distinct
        differing.broker,
        differing.exchange,
        differing.old_underlying,
        differing.new_underlying
    from differing
    where
        not differing.is_spot
        and differing.old_type = differing.new_type
        and differing.old_expiry = differing.new_expiry
        and differing.old_underlying <> differing.new_underlying
        and not exists (
            select 1
            from candidate
            where
                candidate.broker = differing.broker
                and candidate.exchange = differing.exchange
                and {{ contract_underlying('candidate.canonical_id') }}
                = differing.old_underlying
        )
        and not exists (
            select 1
            from published
            where
                published.broker = differing.broker
                and published.exchange = differing.exchange
                and {{ contract_underlying('published.canonical_id') }}
                = differing.new_underlying
        )
),

-- The options among which a token has another strike than it had.
restruck as (
    select distinct
        broker,
        exchange,
        new_underlying,
        new_expiry
    from differing
    where
        new_underlying = old_underlying
        and new_expiry = old_expiry
        and new_strike <> old_strike
),

-- An exchange adjusts all strikes of an underlying and expiry alike, by one step or one
-- factor: what happened to most that kept their token, the unchanged ones among them.
adjustments as (
    select
        candidate.broker,
        candidate.exchange,
        restruck.new_underlying as underlying,
        candidate.expiry_date,
        (
            percentile_cont(0.5) within group (
                order by candidate.strike - published.strike
            )
        )::numeric(18, 6) as step,
        (
            percentile_cont(0.5) within group (
                order by candidate.strike / published.strike
            )
        )::numeric(18, 6) as factor
    from restruck
    -- one to many contracts
    inner join candidate
        on
            restruck.broker = candidate.broker
            and restruck.exchange = candidate.exchange
            and restruck.new_underlying
            = {{ contract_underlying('candidate.canonical_id') }}
            and restruck.new_expiry = candidate.expiry_date
    -- one to one by token, or none
    inner join published
        on
            candidate.broker = published.broker
            and candidate.exchange = published.exchange
            and candidate.broker_token = published.broker_token
            and restruck.new_underlying
            = {{ contract_underlying('published.canonical_id') }}
            and candidate.expiry_date = published.expiry_date
            and candidate.instrument_type = published.instrument_type
    where published.strike > 0
    group by 1, 2, 3, 4
),

-- Whether a token still names what it named. A share may change its symbol and its name
-- at once: where no ISIN says otherwise, its token is believed. The exchange gives a
-- token to another contract once its own has expired, so of a living one just one term
-- may have changed: the strike (adjusted with its neighbours), the expiry by a few days
-- (a holiday), or the underlying's name.
judged as (
    select
        differing.broker,
        differing.exchange,
        differing.new_token,
        differing.new_id,
        differing.new_exchange_token,
        differing.new_symbol,
        differing.new_name,
        differing.new_underlying,
        differing.new_isin,
        differing.new_strike,
        differing.new_tick,
        differing.new_lot,
        differing.new_expiry,
        differing.old_token,
        differing.old_id,
        differing.old_exchange_token,
        differing.old_symbol,
        differing.old_name,
        differing.old_isin,
        differing.old_strike,
        differing.old_tick,
        differing.old_lot,
        differing.old_expiry,
        differing.new_status,
        differing.old_status,
        differing.is_spot,
        differing.is_index,
        case
            when differing.new_token is null or differing.old_token is null then false
            when differing.new_id is null or differing.old_id is null then false
            when differing.new_id = differing.old_id then true
            when differing.new_type <> differing.old_type then false
            when differing.is_spot
                then
                    differing.is_index = (differing.old_id like 'INDEX:%')
                    and case
                        when differing.is_index then true
                        when differing.new_isin <> differing.old_isin
                            then {{ same_company('differing', 'differing') }}
                        -- A bond without a name may have taken another's token.
                        else
                            differing.new_isin = differing.old_isin
                            or differing.new_symbol = differing.old_symbol
                            or (
                                btrim(differing.new_name) <> ''
                                and btrim(differing.old_name) <> ''
                            )
                    end is true
            when differing.old_expiry < parameters.as_of_date then false
            when differing.new_underlying = differing.old_underlying
                then
                    (
                        differing.new_strike is not distinct from differing.old_strike
                        and abs(differing.new_expiry - differing.old_expiry) <= 7
                    )
                    or (
                        differing.new_expiry = differing.old_expiry
                        and coalesce(
                            least(
                                abs(
                                    differing.new_strike
                                    - differing.old_strike
                                    - adjustments.step
                                ),
                                abs(
                                    differing.new_strike
                                    - differing.old_strike * adjustments.factor
                                )
                            ) <= {{ adjusted_strike_rounding }},
                            false
                        )
                    )
            else
                coalesce(
                    differing.new_strike is not distinct from differing.old_strike
                    and renamed_underlyings.new_underlying is not null,
                    false
                )
        end as is_same_contract
    from differing
    -- many rows to one row of parameters
    cross join parameters
    -- many rows to one renamed underlying, or none
    left join renamed_underlyings
        on
            differing.broker = renamed_underlyings.broker
            and differing.exchange = renamed_underlyings.exchange
            and differing.old_underlying = renamed_underlyings.old_underlying
            and differing.new_underlying = renamed_underlyings.new_underlying
            and differing.old_expiry = differing.new_expiry
    -- many rows to one adjustment, or none
    left join adjustments
        on
            differing.broker = adjustments.broker
            and differing.exchange = adjustments.exchange
            and differing.new_underlying = adjustments.underlying
            and differing.new_expiry = adjustments.expiry_date
),

-- Where options were adjusted. An id is another contract's there than it was: it finds
-- nothing again under another token.
adjusted as (
    select distinct
        broker,
        exchange,
        new_underlying,
        new_expiry
    from judged
    where is_same_contract and new_expiry = old_expiry and new_strike <> old_strike
),

arrivals as (
    select
        broker,
        exchange,
        new_token,
        new_id,
        new_exchange_token,
        new_symbol,
        new_name,
        new_underlying,
        new_isin,
        new_strike,
        new_tick,
        new_lot,
        new_expiry,
        new_status,
        is_spot and not is_index as is_cash,
        {{ share_without_series('new_id') }} as share,
        row_number() over (
            partition by broker, new_id
            order by exchange, new_token
        ) as id_rank
    from judged
    where new_token is not null and not is_same_contract
),

departures as (
    select
        broker,
        exchange,
        old_token,
        old_id,
        old_exchange_token,
        old_symbol,
        old_name,
        old_isin,
        old_strike,
        old_tick,
        old_lot,
        old_expiry,
        old_status,
        {{ share_without_series('old_id') }} as share,
        row_number() over (
            partition by broker, old_id
            order by exchange, old_token
        ) as id_rank
    from judged
    where old_token is not null and not is_same_contract
),

-- The same contract under another token. Terms spell a derivative or an index whole; a
-- symbol of a share may have been given to another company, so that the company has to
-- agree as well. Upstox's token is the ISIN, which a split changes.
moved as (
    select
        arrivals.broker,
        arrivals.exchange,
        arrivals.new_token,
        departures.exchange as old_exchange,
        departures.old_token
    from arrivals
    -- one to one by contract, or none
    inner join departures
        on
            arrivals.broker = departures.broker
            and arrivals.new_id = departures.old_id
            and arrivals.id_rank = departures.id_rank
    where
        (not arrivals.is_cash or {{ same_company('arrivals', 'departures') }})
        and not exists (
            select 1
            from adjusted
            where
                adjusted.broker = arrivals.broker
                and adjusted.exchange = arrivals.exchange
                and adjusted.new_underlying = arrivals.new_underlying
                and adjusted.new_expiry = arrivals.new_expiry
        )
),

-- A share that goes to another series (EQ to BE) gets another symbol and another token;
-- its company stays. More than one on either side, and nobody can tell.
reseries as (
    select
        arrivals.broker,
        arrivals.exchange,
        arrivals.new_token,
        departures.exchange as old_exchange,
        departures.old_token,
        count(*) over (
            partition by arrivals.broker, arrivals.exchange, arrivals.new_token
        ) as predecessors,
        count(*) over (
            partition by departures.broker, departures.exchange, departures.old_token
        ) as successors
    from arrivals
    -- one to one, seldom many to many
    inner join departures
        on
            arrivals.broker = departures.broker
            and arrivals.exchange = departures.exchange
            and arrivals.share = departures.share
            and arrivals.new_id <> departures.old_id
    where arrivals.is_cash and {{ same_company('arrivals', 'departures') }}
),

found as (
    select
        broker,
        exchange,
        new_token,
        old_exchange,
        old_token,
        'contract' as basis
    from moved
    union all
    select
        reseries.broker,
        reseries.exchange,
        reseries.new_token,
        reseries.old_exchange,
        reseries.old_token,
        'series' as basis
    from reseries
    where reseries.predecessors = 1 and reseries.successors = 1
),

final as (
    select
        broker,
        exchange,
        new_token,
        old_token,
        new_id,
        old_id,
        'token' as basis,
        new_symbol,
        old_symbol,
        new_name,
        old_name,
        new_strike,
        old_strike,
        new_tick,
        old_tick,
        new_lot,
        old_lot,
        new_expiry,
        old_expiry,
        new_status,
        old_status
    from judged
    where is_same_contract
    union all
    select
        coalesce(arrivals.broker, departures.broker) as broker,
        coalesce(arrivals.exchange, departures.exchange) as exchange,
        arrivals.new_token,
        departures.old_token,
        arrivals.new_id,
        departures.old_id,
        found.basis,
        arrivals.new_symbol,
        departures.old_symbol,
        arrivals.new_name,
        departures.old_name,
        arrivals.new_strike,
        departures.old_strike,
        arrivals.new_tick,
        departures.old_tick,
        arrivals.new_lot,
        departures.old_lot,
        arrivals.new_expiry,
        departures.old_expiry,
        arrivals.new_status,
        departures.old_status
    from arrivals
    -- one to one, or none
    left join found
        on
            arrivals.broker = found.broker
            and arrivals.exchange = found.exchange
            and arrivals.new_token = found.new_token
    -- one to one by what was found, or none on either side
    full join departures -- noqa: AL04
        on
            found.broker = departures.broker
            and found.old_exchange = departures.exchange
            and found.old_token = departures.old_token
)

select * from final
