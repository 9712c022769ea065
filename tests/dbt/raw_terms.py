"""A contract's terms as the brokers' own columns say them: text of the landed rows, typed here.

Another road than the models': no column of theirs, no canonical id, is read. So a match can be held
against what both brokers wrote.
"""

from __future__ import annotations

# Of each dump a query of (line, token, exchange, underlying, expiry, strike, type). Underlyings are
# columns of the row, never parts of the symbol; Upstox's CSV names none, but gives its symbol.
TERMS = {
    "kite": """
        select
            _line_number as line, exchange_token as token, exchange, name as underlying,
            expiry::date as expiry,
            case when instrument_type <> 'FUT' then strike::numeric end as strike,
            instrument_type as type
        from staging.kite_instruments
        where instrument_type <> 'EQ'
    """,
    "upstox": """
        select
            _line_number as line, exchange_token as token,
            case segment
                when 'NSE_FO' then 'NFO' when 'BSE_FO' then 'BFO' when 'NCD_FO' then 'CDS'
                when 'BCD_FO' then 'BCD' when 'MCX_FO' then 'MCX' when 'NSE_COM' then 'NCO'
            end as exchange,
            underlying_symbol as underlying,
            (timestamp '1970-01-01 05:30' + expiry::bigint * interval '1 millisecond')::date
                as expiry,
            case when instrument_type <> 'FUT' then strike_price::numeric end as strike,
            instrument_type as type
        from staging.upstox_instruments
        where expiry <> ''
    """,
    "upstox_csv": """
        select
            _line_number as line, exchange_token as token,
            case exchange
                when 'NSE_FO' then 'NFO' when 'BSE_FO' then 'BFO' when 'NCD_FO' then 'CDS'
                when 'BCD_FO' then 'BCD' when 'MCX_FO' then 'MCX' when 'NSE_COM' then 'NCO'
            end as exchange,
            null::text as underlying, tradingsymbol as symbol, expiry::date as expiry,
            case when option_type <> 'FF' then strike::numeric end as strike,
            case option_type when 'FF' then 'FUT' else option_type end as type
        from staging.upstox_instruments
        where expiry <> ''
    """,
    "angel_one": """
        select
            _line_number as line, token, exch_seg as exchange, name as underlying,
            to_date(expiry, 'DDMONYYYY') as expiry,
            case when instrumenttype like 'OPT%' then strike::numeric / 100 end as strike,
            case when instrumenttype like 'OPT%' then right(symbol, 2) else 'FUT' end as type
        from staging.angel_one_instruments
        where exch_seg = 'NFO' and expiry <> ''
    """,
    "dhan": """
        select
            _line_number as line, sem_smst_security_id as token,
            case sem_exm_exch_id || sem_segment
                when 'NSED' then 'NFO' when 'BSED' then 'BFO' when 'NSEC' then 'CDS'
                when 'BSEC' then 'BCD' when 'MCXM' then 'MCX' when 'NSEM' then 'NCO'
            end as exchange,
            split_part(sem_custom_symbol, ' ', 1) as underlying,
            left(sem_expiry_date, 10)::date as expiry,
            case when sem_option_type in ('CE', 'PE') then sem_strike_price::numeric end as strike,
            case when sem_option_type in ('CE', 'PE') then sem_option_type else 'FUT' end as type
        from staging.dhan_instruments
        where sem_expiry_date > '2000' and sem_segment in ('D', 'C', 'M')
    """,
}

# Every match of contracts, as the rows that both brokers wrote.
PAIRS = """
    with reference as materialized ({reference}),

    broker as materialized ({broker_terms}),

    pairs as (
        select b.exchange, b.type, {same} as is_same
        from candidate.int_broker_instruments__matched as m
        inner join broker as b on m.line_number = b.line
        inner join candidate.{identified} as k on m.canonical_id = k.{key} {of_reference}
        inner join reference as r on k.line_number = r.line
        where m.broker = '{broker}' and m.match_status in ('matched', 'matched_terms_only')
    )

    select exchange, count(*) as pairs, count(*) filter (where is_same is not true) as wrong
    from pairs
    group by 1
"""

SAME = (
    "(b.exchange, b.expiry, b.type) = (r.exchange, r.expiry, r.type)"
    " and b.strike is not distinct from r.strike"
)
SAME_UNDERLYING = f"{SAME} and b.underlying = r.underlying"


def pairs_of(broker: str, reference: str, *, broker_terms: str = "", same: str = "") -> str:
    """A query of matches of contracts by exchange, and how many of them are of other terms.

    Args:
        broker: whose rows were matched.
        reference: the feed, or form of it, that they were matched with; it was read first.
        broker_terms: the form of the broker's dump, if it has two.
        same: when two rows are of the same terms; with their underlying, unless one has none.
    """
    is_kite = reference == "kite"
    return PAIRS.format(
        broker=broker,
        broker_terms=TERMS[broker_terms or broker],
        reference=TERMS[reference],
        same=same or SAME_UNDERLYING,
        identified=f"int_{'kite' if is_kite else 'broker'}_instruments__identified",
        key="canonical_id" if is_kite else "spelled_id",
        of_reference="" if is_kite else f"and k.broker = '{reference.removesuffix('_csv')}'",
    )
