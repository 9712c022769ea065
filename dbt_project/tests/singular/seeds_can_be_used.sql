-- The seeds are edited by hand: a blank, a repeat or a wrong word in one would quietly
-- drop an underlying from a trader's subscription, switch off the check of a segment or
-- leave an index of another broker without its instrument.
with filters as (
    select
        filter,
        underlying,
        segment
    from {{ ref('subscription_filters') }}
),

focus as (
    select
        underlying,
        exchange
    from {{ ref('focus_underlyings') }}
),

segments as (
    select
        exchange,
        segment,
        kind,
        token_low_byte
    from {{ ref('exchange_segments') }}
){% if other_feeds() %},

aliases as (
    select
        feed,
        exchange,
        spelling,
        canonical_id
    from {{ ref('instrument_aliases') }}
){% endif %}

select
    'subscription_filters' as seed,
    concat_ws(',', filter, underlying, segment) as seed_row,
    case
        when filter = 'all' then 'all is taken: it leaves the subscription as it is'
        else 'a name of small letters, digits and _, and no blanks, are expected'
    end as problem
from filters
where
    coalesce(filter, '') !~ '^[a-z0-9_]+$'
    or filter = 'all'
    or coalesce(btrim(underlying), '') = ''
    or coalesce(btrim(segment), '') = ''
    or underlying <> btrim(underlying)
    or segment <> btrim(segment)
union all
select
    'subscription_filters' as seed,
    concat_ws(',', filter, underlying, segment) as seed_row,
    'stands here more than once' as problem
from filters
group by filter, underlying, segment
having count(*) > 1
union all
select
    'focus_underlyings' as seed,
    concat_ws(',', underlying, exchange) as seed_row,
    'stands here more than once, or is blank' as problem
from focus
group by underlying, exchange
having
    count(*) > 1
    or coalesce(btrim(underlying), '') = ''
    or coalesce(btrim(exchange), '') = ''
union all
select
    'exchange_segments' as seed,
    concat_ws(',', exchange, segment) as seed_row,
    'stands here more than once, or is blank' as problem
from segments
group by exchange, segment
having
    count(*) > 1
    or coalesce(btrim(exchange), '') = ''
    or coalesce(btrim(segment), '') = ''
union all
select
    'exchange_segments' as seed,
    concat_ws(',', exchange, segment, kind, token_low_byte) as seed_row,
    'kind is one of index, cash, future, option; the low byte is 0 to 255' as problem
from segments
where
    coalesce(kind, '') not in ('index', 'cash', 'future', 'option')
    or token_low_byte not between 0 and 255
union all
{% if other_feeds() -%}
select
    'instrument_aliases' as seed,
    concat_ws(',', feed, exchange, spelling, canonical_id) as seed_row,
    'a feed, an exchange, a spelling in capitals and INDEX:... are expected' as problem
from aliases
where
    coalesce(feed, '') not in (
        {%- for feed in (['angel_one', 'dhan', 'upstox'] + other_feeds()) | unique %}
        '{{ feed }}'{{ ',' if not loop.last }}
        {%- endfor %}
    )
    or coalesce(btrim(exchange), '') = ''
    or exchange <> btrim(exchange)
    or coalesce(btrim(spelling), '') = ''
    or spelling <> upper(btrim(spelling))
    or coalesce(canonical_id, '') !~ '^INDEX:[^ ]'
    or canonical_id <> btrim(canonical_id)
union all
select
    'instrument_aliases' as seed,
    concat_ws(',', feed, exchange, spelling) as seed_row,
    'stands here more than once' as problem
from aliases
group by feed, exchange, spelling
having count(*) > 1
union all
{% endif -%}
select
    seeds.seed,
    null as seed_row,
    'has no rows' as problem
from (
    select
        'subscription_filters' as seed,
        count(*) as seed_rows
    from filters
    union all
    select
        'focus_underlyings' as seed,
        count(*) as seed_rows
    from focus
    union all
    select
        'exchange_segments' as seed,
        count(*) as seed_rows
    from segments
    {%- if other_feeds() %}
    union all
    select
        'instrument_aliases' as seed,
        count(*) as seed_rows
    from aliases
    {%- endif %}
) as seeds
where seeds.seed_rows = 0
