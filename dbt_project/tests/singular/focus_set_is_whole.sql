-- Scanners watch the focus set only: a missing strike or future near the money is a
-- move that nobody sees. Partial dumps lack whole underlyings, so this warns.
{{ config(severity='warn') }}

with focus_underlyings as (
    select
        underlying,
        exchange
    from {{ ref('focus_underlyings') }}
),

parameters as (
    select
        focus_futures,
        focus_expiries,
        focus_strikes_each_side
    from {{ ref('stg_warehouse__build_parameters') }}
),

found as (
    select
        underlying,
        exchange,
        count(*) filter (where kind = 'future') as futures,
        count(*) filter (where kind = 'option') as options
    from {{ ref('focus_instruments') }}
    group by underlying, exchange
),

expected as (
    select
        focus_underlyings.underlying,
        focus_underlyings.exchange,
        parameters.focus_futures as futures,
        parameters.focus_expiries * (2 * parameters.focus_strikes_each_side + 1) * 2
            as options
    from focus_underlyings
    -- many underlyings to one row of parameters
    cross join parameters
)

select
    expected.underlying,
    expected.exchange,
    expected.futures as futures_expected,
    found.futures as futures_found,
    expected.options as options_expected,
    found.options as options_found
from expected
-- one to one, or none
left join found
    on
        expected.underlying = found.underlying
        and expected.exchange = found.exchange
where
    found.futures is distinct from expected.futures
    or found.options is distinct from expected.options
