"""Tell somebody of trouble: the log, and a webhook if one is set.

The exit code of the command is the third. A webhook that fails changes nothing of the verdict; it
is logged, and shown with the status.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from instrument_registry.sync.check import Status
from instrument_registry.sync.settings import MonitorSettings
from instrument_registry.sync.webhook import WebhookFailed, place, post

_SAMPLES: Final = 3
_log = logging.getLogger("instrument_registry")


def alert(status: Status, settings: MonitorSettings, host: str) -> dict[str, Any] | None:
    """Tell of a status that is not in step; what became of it, None if there was nothing to tell.

    Returns:
        `webhook` (scheme and host, None if none is set), `delivered` and `error`.
    """
    if not status.sync_needed:
        return None
    _log.error(
        "registry_out_of_step verdict=%s publication=%s holders=%s problems=%s",
        status.verdict.value,
        status.publication_id,
        ",".join(f"{one.name}:{one.state.value}" for one in status.holders) or "none",
        " | ".join(status.problems),
    )
    if settings.webhook is None:
        return {"webhook": None, "delivered": False, "error": None}
    told: dict[str, Any] = {"webhook": place(settings.webhook), "delivered": True, "error": None}
    try:
        post(settings.webhook, message(status, host))
    except WebhookFailed as error:
        _log.error("registry_alert_not_delivered webhook=%s", error)
        told |= {"delivered": False, "error": str(error)}
    return told


def message(status: Status, host: str) -> dict[str, Any]:
    """What a webhook gets; chat services show its `text`."""
    facts = status.facts(_SAMPLES)
    about = f"publication {status.publication_id}" if status.publication_id else "no publication"
    return {
        "text": f"Instrument registry on {host}: {status.verdict.value} ({about}). "
        + " ".join(f"{problem}." for problem in status.problems),
        "alert": "registry_out_of_step",
        "host": host,
        "verdict": facts["verdict"],
        "timestamp": facts["timestamp"],
        "publication": facts["publication"],
        "problems": facts["problems"],
        "holders": facts["holders"],
    }
