"""One damage for each rule: the case that makes it fail.

Every case is SQL over the healthy candidate of `builder`, with what the rule must say then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from expectations.gate import Thresholds
from tests.expectations.builder import AS_OF


@dataclass(frozen=True, slots=True)
class Damage:
    """A way to break one promise.

    Attributes:
        rule: the rule that must say so.
        sql: what is done to the database.
        told: a part of the text or samples that the rule must show.
        changes: what is different in the request.
        name: tells damages of one rule apart.
    """

    rule: str
    sql: str
    told: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def __str__(self) -> str:
        return f"{self.rule}-{self.name}" if self.name else self.rule


def _marked(rule: str, change: str, count: int, told: str = "") -> Damage:
    """Many instruments changed in one way."""
    return Damage(
        rule,
        f"""
        insert into candidate.instrument_changes
            (canonical_id, change, old_value, new_value, instrument_token, tradingsymbol,
             exchange, is_active)
        select canonical_id, '{change}', 'old', 'new', instrument_token, tradingsymbol, exchange,
            false
        from candidate.broker_instruments
        order by instrument_token
        limit {count}
        """,
        told,
    )


def _marked_there(rule: str, change: str, count: int, told: str = "") -> Damage:
    """Many rows of Dhan changed in one way; at Upstox, which has more rows, as many did."""
    return Damage(
        rule,
        CHANGED_THERE.format(
            change=change, count=count, old="'matched'", new="'token_conflict'", is_active="false"
        ),
        told or '[{"broker": "dhan"',
    )


# So many rows of each of the two brokers.
CHANGED_THERE = """
    insert into candidate.broker_instrument_changes
    select broker, exchange, broker_token, '{change}', canonical_id, tradingsymbol, {old}, {new},
        {is_active}, date '2026-08-17'
    from (
        select *, row_number() over (partition by broker order by broker_token) as number
        from candidate.broker_instruments
        where broker <> 'kite'
    ) as rows
    where number <= {count}
"""
REPEAT = """
    insert into staging.kite_instruments
    select _load_id, 90000 + _line_number, {columns}
    from staging.kite_instruments
    where {which}
"""
SAME_COLUMNS = (
    "instrument_token, exchange_token, tradingsymbol, name, last_price, expiry, strike, "
    "tick_size, lot_size, instrument_type, segment, exchange"
)
OTHER_SYMBOL = SAME_COLUMNS.replace("tradingsymbol", "'OTHER'")
OTHER_TOKEN = SAME_COLUMNS.replace("instrument_token", "'999999'", 1)
FOCUS_ROW = "tradingsymbol = 'NIFTY260825FUT'"
SHARE_ROW = "tradingsymbol = 'SHARE7' and exchange = 'NSE'"
REJECT = """
    insert into candidate.rejected_rows
    select 'kite', n, 'expiry', '31-12-2026', 'not a date as YYYY-MM-DD', 'X' || n, 'NFO', {name},
        {is_focus}
    from generate_series(1, {count}) as n
"""
PUBLISHED_BEFORE = """
    insert into marts.broker_instruments
    select 'kite', 5000000 + n, 'c' || n, n, 's' || n, 'n' || n, '{exchange}', '{segment}', 'EQ',
        null, null, 0.05, 1, 'plain', true
    from generate_series(1, {count}) as n
"""

CONFLICT = """
    update candidate.broker_instruments
    set match_status = 'token_conflict', canonical_id = null,
        match_reason = 'exchange token is another instrument'
    where broker = 'dhan' and tradingsymbol ~ '{symbols}'
"""
REJECT_THERE = """
    insert into candidate.rejected_rows
    select '{feed}', n, 'sem_expiry_date', 'soon', 'not a date', 'X' || n, 'NFO', 'ACC', false
    from generate_series(1, {count}) as n
"""
OFF = "delete from ops.build_feeds where feed = 'dhan'"
GONE = "delete from candidate.broker_instruments where broker = 'dhan'"

OF_FEEDS: tuple[Damage, ...] = (
    Damage(
        "feeds-fresh",
        "update ops.build_feeds set is_stale = true, as_of_date = as_of_date - 6 "
        "where feed = 'dhan'",
        "2026-08-11",
    ),
    Damage(
        "feeds-fresh",
        "update ops.build_feeds set is_stale = true, as_of_date = as_of_date + 1 "
        "where feed = 'dhan'",
        "2026-08-18",
        name="ahead",
    ),
    Damage(
        "feeds-fresh",
        "update ops.build_feeds set is_stale = true, as_of_date = as_of_date - 6 "
        "where feed = 'kite'",
        "kite",
        name="kite",
    ),
    Damage(
        "feeds-current",
        "update ops.build_feeds set is_stale = true, as_of_date = as_of_date - 3 "
        "where feed = 'dhan'",
        "stands in",
    ),
    Damage(
        "feeds-current",
        "update ops.build_feeds set is_stale = true, load_id = null where feed = 'dhan'",
        "ever been had",
        name="never-landed",
    ),
    Damage("feeds-current", f"{OFF}; {GONE}", "published last time", name="switched-off"),
    Damage("feeds-current", OFF, "no feed of this build", name="unknown"),
    Damage("feeds-not-empty", GONE, "dhan"),
    Damage(
        "feed-rows-collapsed",
        "delete from candidate.broker_instruments where broker = 'upstox' and exchange = 'BSE' "
        "and exchange_token % 4 = 0",
        "upstox BSE",
    ),
    Damage(
        "feed-rows-collapsed",
        "delete from candidate.broker_instruments where broker = 'upstox' and exchange = 'MCX'",
        "upstox MCX",
        name="exchange-gone",
    ),
    Damage(
        "feed-rows-low",
        "delete from candidate.broker_instruments where broker = 'upstox' and exchange = 'BSE' "
        "and exchange_token % 10 = 0",
        "upstox BSE",
    ),
    Damage(
        "feed-rows-reconcile",
        "delete from candidate.broker_instruments where broker = 'dhan' "
        "and tradingsymbol = 'SHARE7 there'",
        '"unexplained": "1"',
    ),
    Damage(
        "feed-rows-reconcile",
        "insert into candidate.excluded_rows values ('upstox', 'NSE', 'invented', 7, '{}')",
        '"unexplained": "-7"',
        name="invented",
    ),
    Damage("feed-rows-reconcile", OFF, "dhan", name="unknown-broker"),
    Damage(
        "feed-rows-reconcile",
        "delete from candidate.broker_coverage where feed = 'upstox' and status = 'repeated'",
        "covered",
        name="not-told",
    ),
    Damage("feed-rejected-few", REJECT_THERE.format(feed="dhan", count=1), "dhan"),
    Damage("feed-rejected-none", REJECT_THERE.format(feed="upstox", count=1), "soon"),
    Damage("feed-conflicts-subscribed", CONFLICT.format(symbols="NIFTY26081824000CE"), "dhan"),
    Damage(
        "feed-conflicts-subscribed",
        CONFLICT.format(symbols="^ADANIENT260825FUT")
        + """
        ; insert into candidate.broker_disagreements
        select broker, exchange, broker_token, 'contract', 'NFO:ADANIENT:2026-08-25:FUT', 'kite',
            tradingsymbol, (
                select canonical_id from candidate.active_subscriptions
                where subscription_position = 1
            ), 'NFO:ADANIENT:2026-08-25:FUT', true
        from candidate.broker_instruments
        where match_status = 'token_conflict'
        """,
        "ADANIENT260825FUT there",
        name="by-terms",
    ),
    Damage("feed-conflicts-few", CONFLICT.format(symbols="^SHARE1"), "SHARE1 there"),
    Damage("feed-conflicts-none", CONFLICT.format(symbols="^SHARE7 "), "another instrument"),
    Damage(
        "feed-matched-enough",
        "update candidate.broker_instruments set match_status = 'unmatched' "
        "where broker = 'dhan' and exchange = 'NFO'",
        "dhan",
    ),
    Damage(
        "feed-focus-matched",
        "update candidate.broker_instruments set match_status = 'unmatched', "
        "match_reason = 'not listed before' "
        "where broker = 'dhan' and tradingsymbol = 'NIFTY260825FUT there'",
        "not listed before",
    ),
    Damage(
        "feed-focus-covered",
        "delete from candidate.broker_instruments where broker = 'dhan' "
        "and tradingsymbol = 'NIFTY260825FUT there'",
        "NFO:NIFTY:2026-08-25:FUT",
    ),
    Damage(
        "feed-focus-covered",
        "delete from candidate.broker_instruments where broker = 'dhan' and exchange = 'NFO' "
        "and name = 'BANKNIFTY'",
        "most at dhan",
        name="underlying-gone",
    ),
    Damage(
        "feed-required-exchanges",
        "delete from candidate.broker_instruments where broker = 'dhan' and exchange = 'NSE'",
        '[{"broker": "dhan", "missing": "NSE"}]',
    ),
    Damage(
        "feed-required-exchanges",
        "delete from candidate.broker_instruments where broker = 'upstox' and exchange = 'NFO'; "
        "delete from marts.broker_instruments where broker = 'upstox'",
        '[{"broker": "upstox", "missing": "NFO"}]',
        name="first-time",
    ),
    _marked_there("feed-churn-listed", "listed", 300),
    _marked_there("feed-churn-delisted", "delisted", 150),
    _marked_there("feed-churn-symbol", "symbol_changed", 12),
    _marked_there("feed-churn-token", "token_changed", 12),
    _marked_there("feed-churn-strike", "strike_changed", 12),
    _marked_there("feed-churn-lot", "lot_changed", 150),
    _marked_there("feed-churn-tick", "tick_changed", 150),
    _marked_there("feed-churn-expiry", "expiry_changed", 150),
    _marked_there("feed-churn-match", "match_changed", 12, "token_conflict"),
    Damage(
        "feed-churn-match",
        CHANGED_THERE.format(
            change="match_changed", count=12, old="'NSE:A'", new="'NSE:A-BE'", is_active="false"
        ),
        "NSE:A-BE",
        name="another-id",
    ),
    Damage(
        "feed-churn-match",
        "update marts.broker_instruments set canonical_id = 'NSE:FORMER' where broker = 'dhan';"
        + CHANGED_THERE.format(
            change="match_changed", count=12, old="'matched'", new="'unmatched'", is_active="false"
        ),
        '[{"broker": "dhan"',
        name="unmatched-under-another-id",
    ),
    Damage(
        "feed-subscriptions-unchanged",
        CHANGED_THERE.format(
            change="lot_changed", count=1, old="'75'", new="'65'", is_active="true"
        ),
        '"old_value": "75"',
    ),
    Damage(
        "feed-subscriptions-unchanged",
        CHANGED_THERE.format(
            change="match_changed",
            count=1,
            old="'matched'",
            new="'token_conflict'",
            is_active="true",
        ),
        "token_conflict",
        name="match-lost",
    ),
    Damage(
        "feed-coverage-fell",
        "update candidate.broker_instruments set match_status = 'unmatched' "
        "where broker = 'upstox' and exchange = 'BSE' and exchange_token % 16 = 0",
        "upstox",
    ),
    Damage(
        "feed-disagreements",
        """
        insert into candidate.broker_disagreements values
        ('dhan', 'NSE', 'D|1', 'lot_size', 'NSE:ACC', 'kite', 'ACC', '1', '5', false),
        ('upstox', 'NFO', 'U|1', 'lot_size', 'NFO:X', 'kite', 'NIFTY', '75', '65', true)
        """,
        '[{"broker": "upstox"',
    ),
)

DAMAGES: tuple[Damage, ...] = (
    *OF_FEEDS,
    Damage("staging-not-empty", "truncate staging.kite_instruments", "0 rows"),
    Damage("dump-is-new", "update ops.build_parameters set load_id = 1", "2026-08-14"),
    Damage(
        "dump-is-new",
        "update ops.build_parameters set load_id = 1; "
        f"insert into ops.publications values (2, date '{AS_OF}' - 1, repeat('c', 64))",
        "already: 1;",
        name="after-a-rollback",
    ),
    Damage(
        "rows-reconcile",
        f"delete from candidate.broker_instruments where {SHARE_ROW}",
        "unexplained",
    ),
    Damage(
        "rows-reconcile",
        "insert into candidate.broker_instruments select 'kite', 1, 'X:1', 1, 'X1', 'X', 'NSE', "
        "'NSE', 'EQ', null, null, 0.05, 1, 'plain', true, '1'",
        "-1",
        name="invented",
    ),
    Damage("rejected-rows-few", REJECT.format(name="'ACC'", is_focus=False, count=2), "31-12-2026"),
    Damage(
        "rejected-focus-rows",
        REJECT.format(name="'NIFTY'", is_focus=True, count=1),
        "31-12-2026",
        {"thresholds": Thresholds(rejected_max_ratio=0.5)},
    ),
    Damage("rejected-rows-none", REJECT.format(name="'ACC'", is_focus=False, count=1), "X1"),
    Damage("token-unique-focus", REPEAT.format(columns=OTHER_SYMBOL, which=FOCUS_ROW), "OTHER"),
    Damage("token-unique", REPEAT.format(columns=OTHER_SYMBOL, which=SHARE_ROW), "SHARE7"),
    Damage("symbol-unique-focus", REPEAT.format(columns=OTHER_TOKEN, which=FOCUS_ROW), "999999"),
    Damage("symbol-unique", REPEAT.format(columns=OTHER_TOKEN, which=SHARE_ROW), "NSE:SHARE7"),
    Damage("candidate-not-empty", "truncate candidate.broker_instruments", "0 instruments"),
    Damage(
        "exchange-rows-collapsed",
        "delete from candidate.broker_instruments where exchange = 'BSE' "
        "and exchange_token % 4 = 0",
        "BSE",
    ),
    Damage(
        "exchange-rows-low",
        "delete from candidate.broker_instruments where exchange = 'BSE' "
        "and exchange_token % 10 = 0",
        "BSE",
    ),
    Damage(
        "exchange-rows-low",
        PUBLISHED_BEFORE.format(exchange="NSEIX", segment="NSEIX", count=1),
        "NSEIX",
        name="small-exchange-gone",
    ),
    Damage(
        "exchange-rows-grown",
        "delete from marts.broker_instruments where exchange = 'BFO' and exchange_token % 2 = 1 "
        "and instrument_type <> 'FUT'",
        "BFO",
    ),
    Damage(
        "required-exchanges",
        "delete from candidate.broker_instruments where exchange = 'BSE'",
        "BSE",
    ),
    Damage(
        "required-exchanges",
        "",
        "MCX",
        {"thresholds": Thresholds(required_exchanges=("NSE", "MCX"))},
        name="by-setting",
    ),
    Damage(
        "exchanges-of-last-publication",
        PUBLISHED_BEFORE.format(exchange="MCX", segment="MCX-FUT", count=60),
        "MCX",
    ),
    Damage(
        "required-segments",
        "delete from candidate.broker_instruments where segment = 'NFO-FUT'",
        "NFO-FUT",
    ),
    Damage(
        "required-segments",
        PUBLISHED_BEFORE.format(exchange="NSE", segment="NSE-SME", count=60),
        "NSE-SME",
        name="of-last-publication",
    ),
    Damage(
        "marker-nifty-50",
        "update candidate.broker_instruments set instrument_token = 256266 "
        "where tradingsymbol = 'NIFTY 50'",
        "256266",
    ),
    Damage(
        "marker-nifty-50",
        "update candidate.broker_instruments set tradingsymbol = 'NIFTY FIFTY' "
        "where instrument_token = 256265",
        "NIFTY FIFTY",
        name="another-symbol",
    ),
    Damage(
        "marker-nifty-bank",
        "delete from candidate.broker_instruments where instrument_token = 260105",
        "none",
    ),
    Damage(
        "marker-sensex",
        "update candidate.broker_instruments set exchange = 'NSE' where instrument_token = 265",
        "265",
    ),
    Damage(
        "marker-reliance",
        "update candidate.broker_instruments set exchange_token = 2886 "
        "where tradingsymbol = 'RELIANCE'",
        "2886",
    ),
    *(
        Damage(
            f"marker-{name.lower()}-future",
            "delete from candidate.broker_instruments "
            f"where name = '{name}' and instrument_type = 'FUT'",
            name,
        )
        for name in ("NIFTY", "BANKNIFTY", "SENSEX")
    ),
    Damage(
        "marker-nifty-future",
        f"update candidate.broker_instruments set expiry_date = date '{AS_OF}' - 1 "
        "where name = 'NIFTY' and instrument_type = 'FUT'",
        "2026-08-16",
        name="expired",
    ),
    Damage("dump-not-stale", "", "2026-08-25", {"as_of_date": AS_OF + timedelta(days=30)}),
    Damage(
        "expired-contracts-none",
        f"update candidate.broker_instruments set expiry_date = date '{AS_OF}' - 1 "
        "where tradingsymbol = 'ADANIENT260825FUT'",
        "2026-08-16",
    ),
    Damage(
        "nifty-expiry-near",
        "update candidate.broker_instruments set expiry_date = expiry_date + 20 "
        "where name = 'NIFTY' and segment = 'NFO-OPT'",
        "2026-09-07",
    ),
    Damage(
        "nifty-expiry-near",
        "delete from candidate.broker_instruments where name = 'NIFTY' and segment = 'NFO-OPT'",
        "none",
        name="no-options",
    ),
    Damage(
        "focus-expiries-ahead",
        "delete from candidate.broker_instruments where name = 'SENSEX' and exchange = 'BFO' "
        "and expiry_date > date '2026-08-18'",
        "SENSEX",
    ),
    Damage(
        "focus-expiries-kept",
        "delete from candidate.broker_instruments where name = 'BANKNIFTY' "
        "and expiry_date = date '2026-10-20'",
        "2026-10-20",
    ),
    Damage(
        "lots-positive",
        "update candidate.broker_instruments set lot_size = 0 where tradingsymbol = 'RELIANCE'",
        "RELIANCE",
    ),
    Damage(
        "lots-positive",
        "update candidate.broker_instruments set lot_size = null where tradingsymbol = 'RELIANCE'",
        "RELIANCE",
        name="none",
    ),
    Damage(
        "ticks-positive",
        "update candidate.broker_instruments set tick_size_inr = 0 "
        "where tradingsymbol = 'RELIANCE'",
        "RELIANCE",
    ),
    Damage(
        "contract-terms-complete",
        "update candidate.broker_instruments set strike = null "
        "where tradingsymbol = 'NIFTY26081824000CE'",
        "NIFTY26081824000CE",
    ),
    Damage(
        "contract-terms-complete",
        "update candidate.broker_instruments set expiry_date = null "
        "where tradingsymbol = 'NIFTY260825FUT'",
        "NIFTY260825FUT",
        name="no-expiry",
    ),
    Damage(
        "strikes-exact",
        "update candidate.broker_instruments set strike = round(strike) "
        "where tradingsymbol = 'ADANIENT2608252423.7CE'",
        "2423.7",
    ),
    Damage(
        "strikes-exact",
        "update staging.kite_instruments set strike = '24000.0000001' "
        "where tradingsymbol = 'NIFTY26081824000CE'",
        "24000.0000001",
        name="last-digit",
    ),
    Damage(
        "strikes-exact",
        "update staging.kite_instruments set strike = '24,000' "
        "where tradingsymbol = 'NIFTY26081824000CE'",
        "24,000",
        name="not-a-number",
    ),
    Damage(
        "decimal-strikes-kept",
        "update candidate.broker_instruments set strike = round(strike)",
        "NFO",
    ),
    _marked("churn-listed", "listed", 400),
    _marked("churn-delisted", "delisted", 200),
    _marked("churn-symbol", "symbol_changed", 20, "old"),
    _marked("churn-token", "token_changed", 20, "new"),
    _marked("churn-strike", "strike_changed", 20),
    _marked("churn-lot", "lot_changed", 200),
    _marked("churn-tick", "tick_changed", 200),
    _marked("churn-expiry", "expiry_changed", 200),
    Damage(
        "subscriptions-unchanged",
        "insert into candidate.instrument_changes select canonical_id, 'lot_changed', '75', '65', "
        "instrument_token, tradingsymbol, exchange, true from candidate.active_subscriptions "
        "where subscription_position = 1",
        "75",
    ),
    Damage(
        "consumer-rows-agree",
        "delete from candidate.exp_redis__instruments where instrument_token = 256265",
        "redis",
    ),
    Damage(
        "consumer-rows-agree",
        "insert into candidate.withheld_rows values ('postgres', 1, 'gone', 'X', false)",
        "postgres",
        name="withheld-of-nothing",
    ),
    Damage(
        "redis-values-complete",
        "update candidate.exp_redis__instruments set tick_size = null "
        "where instrument_token = 256265",
        "256265",
    ),
    Damage(
        "redis-values-complete",
        "update candidate.exp_redis__instruments set strike = '0' "
        "where tradingsymbol = 'NIFTY26081824000CE'",
        "NIFTY26081824000CE",
        name="option-without-strike",
    ),
    Damage(
        "postgres-values-complete",
        "update candidate.broker_instruments set segment = '' where tradingsymbol = 'RELIANCE'",
        "RELIANCE",
    ),
    Damage("filter-not-empty", "delete from candidate.active_subscriptions", "nifty"),
    Damage("filter-not-empty", "", "sensex", {"filter": "nifty,sensex"}, name="one-part"),
    Damage("filter-not-empty", "", "reliance", {"filter": "nifty,reliance"}, name="share"),
    Damage("filter-not-empty", "", "niftyy", {"filter": "niftyy"}, name="misspelt"),
    Damage(
        "dotenv-agrees",
        "update candidate.exp_dotenv__instruments set value = value || ',1', tokens = tokens + 1",
        "times_in_line",
    ),
    Damage(
        "dotenv-agrees",
        "delete from candidate.active_subscriptions where subscription_position = 3",
        "times_in_line",
        name="subscription-missing",
    ),
    Damage(
        "dotenv-agrees", "delete from candidate.exp_dotenv__instruments", "none", name="no-line"
    ),
    Damage(
        "subscriptions-within-limit",
        "",
        "NFO-OPT",
        {"thresholds": Thresholds(subscriptions_max=100)},
    ),
    Damage(
        "subscriptions-one-connection",
        "",
        "50, 50, 23",
        {"thresholds": Thresholds(subscriptions_warn=100, subscriptions_per_connection=50)},
    ),
    Damage(
        "withheld-subscriptions-none",
        "insert into candidate.withheld_rows select 'postgres', instrument_token, 'too wide', "
        "tradingsymbol, true from candidate.active_subscriptions where subscription_position = 1",
        "too wide",
    ),
    Damage(
        "withheld-none",
        "insert into candidate.withheld_rows values ('postgres', 1, 'too wide', 'USDINR', false)",
        "USDINR",
    ),
    Damage(
        "focus-set-covered",
        "delete from candidate.focus_instruments where underlying = 'SENSEX' and kind = 'future'",
        "SENSEX",
    ),
)
