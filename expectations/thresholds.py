"""Every limit of the gate, with its default and why it is that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The gate's limits. Ratios are parts of one (0.80 is 80 %).

    Attributes:
        rows_block_ratio: an exchange with less than this part of its last publication's live
            contracts turns the gate red: the broker's dump is cut short.
        rows_warn_ratio: below this part it is told, not blocked.
        rows_growth_ratio: above this multiple it is told: a dump may hold rows twice.
        rows_compared_min: an exchange or segment with fewer live rows last time is not compared
            by ratio and may go without blocking (NSEIX had 1 row, GLOBAL has 10).
        required_exchanges: exchanges that every dump must hold. Set it to `("NFO",)` to sync a
            file that holds only NFO.
        required_segments: segments that must be there where their exchange is required.
        rejected_max_ratio: rejected rows as a part of landed rows.
        expired_max_ratio: contracts that expired before the as-of day, as a part of all
            contracts; above it the dump is of another day.
        nifty_expiry_days: NIFTY has weekly options, so one expires within this many days.
        focus_expiries_min: option expiries still to come that each focus underlying must have.
        expiry_moved_days: an expiry of a focus underlying may move by this many days (a holiday)
            before the gate says that it was lost.
        feed_stale_days: trading days that a broker's last good dump may stand in for a new one,
            and that a broker may serve the same file.
        feed_conflicts_max_ratio: rows of a broker whose token names another contract elsewhere, as
            a part of its rows.
        feed_matched_min_ratio: of a broker's rows in an exchange that an earlier feed lists too,
            the part that must be the same contract as one there.
        feed_required_exchanges: exchanges that every broker beside Kite must list, also when it is
            read for the first time and nothing of it can be compared.
        feed_churn_match_max_ratio: rows of a broker that were an instrument and are none, or
            another, as a part of its live rows of the last publication.
        feed_coverage_max_fall: by how much the matched part of a broker's exchange may fall
            against the last publication (0.05: five points of a hundred).
        churn_max_ratio: contracts delisted before expiry, or whose lot, tick or expiry changed,
            as a part of the last publication. A lot revision touches about a tenth. The churn
            limits hold for Kite, and for each other broker by its own rows.
        churn_listed_max_ratio: new contracts as a part of the last publication (told only).
        churn_identity_max_ratio: contracts whose symbol, token or strike changed, as a part of
            the last publication. A corporate action touches some hundred of 125,000.
        subscriptions_max: tokens that three WebSocket connections can stream.
        subscriptions_warn: tokens that one connection can stream.
        subscriptions_per_connection: Kite's limit for one WebSocket connection.
        samples: sample rows shown for a rule.
    """

    rows_block_ratio: float = 0.80
    rows_warn_ratio: float = 0.95
    rows_growth_ratio: float = 1.50
    rows_compared_min: int = 50
    required_exchanges: tuple[str, ...] = ("NSE", "BSE", "NFO", "BFO")
    required_segments: tuple[str, ...] = (
        "NSE",
        "INDICES",
        "BSE",
        "NFO-FUT",
        "NFO-OPT",
        "BFO-FUT",
        "BFO-OPT",
    )
    rejected_max_ratio: float = 0.001
    expired_max_ratio: float = 0.20
    nifty_expiry_days: int = 10
    focus_expiries_min: int = 2
    expiry_moved_days: int = 4
    feed_stale_days: int = 3
    feed_conflicts_max_ratio: float = 0.01
    feed_matched_min_ratio: float = 0.50
    feed_required_exchanges: tuple[str, ...] = ("NSE", "NFO")
    feed_churn_match_max_ratio: float = 0.02
    feed_coverage_max_fall: float = 0.05
    churn_max_ratio: float = 0.25
    churn_listed_max_ratio: float = 0.50
    churn_identity_max_ratio: float = 0.02
    subscriptions_max: int = 9000
    subscriptions_warn: int = 3000
    subscriptions_per_connection: int = 3000
    samples: int = 10

    @property
    def asked_segments(self) -> tuple[str, ...]:
        """The required segments whose exchange is required (`INDICES` goes with NSE)."""
        return tuple(
            segment
            for segment in self.required_segments
            if exchange_of(segment) in self.required_exchanges
        )


def exchange_of(segment: str) -> str:
    """The exchange that a Kite segment belongs to: `NFO-OPT` to NFO, `INDICES` to NSE."""
    return "NSE" if segment == "INDICES" else segment.partition("-")[0]
