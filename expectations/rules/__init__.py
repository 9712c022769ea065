"""The rules of the gate, in the order in which the report shows them."""

from __future__ import annotations

from typing import Final

from expectations.rules import (
    calendar,
    change,
    completeness,
    consumers,
    feed_changes,
    feeds,
    landing,
    markers,
    matching,
    subscriptions,
    values,
)
from expectations.rules.rule import SUITES, Rule, Situation

RULES: Final[tuple[Rule, ...]] = (
    *landing.RULES,
    *completeness.RULES,
    *markers.RULES,
    *calendar.RULES,
    *values.RULES,
    *change.RULES,
    *subscriptions.RULES,
    *consumers.RULES,
    *feeds.RULES,
    *matching.RULES,
    *feed_changes.RULES,
)
RULE_IDS: Final[frozenset[str]] = frozenset(rule.id for rule in RULES)

__all__ = ["RULES", "RULE_IDS", "SUITES", "Rule", "Situation"]
