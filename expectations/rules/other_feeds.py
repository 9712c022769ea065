"""When a rule about the brokers beside Kite has something to judge, and why it has not."""

from __future__ import annotations

from collections.abc import Iterable

from expectations.rules.rule import Situation, after_first_publication


def beside_other_feeds(situation: Situation) -> str | None:
    """The rule is about feeds, where there is more than Kite's."""
    return None if situation.other_feeds else "Kite is the only feed of this build"


def with_other_dumps(situation: Situation) -> str | None:
    """The rule is about rows of feeds beside Kite's."""
    if situation.landed_feeds:
        return None
    names = ", ".join(situation.other_feeds)
    return beside_other_feeds(situation) or f"no dump of {names} has ever been had"


def with_fresh_dumps(situation: Situation) -> str | None:
    """The rule is about what brokers beside Kite list today."""
    if situation.fresh_feeds:
        return None
    names = ", ".join(situation.other_feeds)
    return with_other_dumps(situation) or f"no dump of {names} is of today"


def with_other_rows(situation: Situation) -> str | None:
    """The rule compares rows of feeds beside Kite's with the last publication."""
    return _with_rows_before(situation, situation.other_feeds, 1)


def with_many_other_rows(situation: Situation) -> str | None:
    """As `with_other_rows`, for exchanges with enough rows to compare."""
    least = max(situation.thresholds.rows_compared_min, 1)
    return _with_rows_before(situation, situation.other_feeds, least)


def with_changed_feeds(situation: Situation) -> str | None:
    """The rule compares other brokers' new dumps with what was published of them."""
    if situation.compared_feeds:
        return None
    return (
        with_other_dumps(situation)
        or after_first_publication(situation)
        or "no other broker that was published last time has a new dump"
    )


def with_like_feeds(situation: Situation) -> str | None:
    """As `with_changed_feeds`, where as much is there to match with as last time."""
    reason = with_changed_feeds(situation)
    if reason is not None:
        return reason
    if situation.is_kite_stale:
        return "an older dump of Kite stands in: what is new elsewhere matches nothing in it"
    if situation.left_feeds:
        names = ", ".join(situation.left_feeds)
        return f"{names} was published and is no feed of this build: less is there to match with"
    least = max(situation.thresholds.rows_compared_min, 1)
    return _with_rows_before(situation, situation.compared_feeds, least)


def _with_rows_before(situation: Situation, feeds: Iterable[str], least: int) -> str | None:
    before = situation.rows_before_of_feeds
    if any(rows >= least for feed in feeds for rows in before.get(feed, ())):
        return None
    return (
        beside_other_feeds(situation)
        or after_first_publication(situation)
        or f"no exchange of another feed had {least} live rows or more in the last publication"
    )
