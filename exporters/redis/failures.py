"""What Redis said, as an error of the exporters: what it means and what to do."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import hiredis
import redis
from redis import exceptions

from exporters.errors import DestinationRefused, DestinationUnavailable, ExportError

OLD_STATE = "Consumers see what Redis held before, whole: everything is written in one transaction."
UNTOUCHED = "Nothing was written to Redis: consumers see what they saw before."
EITHER_STATE = "Consumers see the state before this export or after it, whole; never half of it."
PARTLY_STATE = (
    "Somebody changed keys while they were being written: those keys may be missing or wrong."
)
CLUSTER_STATE = (
    "Each key is old or new, whole; the marker instruments:publication says 'writing' until a "
    "later export has finished."
)

# The first word of an error reply: https://redis.io/docs/latest/develop/reference/protocol-spec/
_TRANSIENT = {
    "READONLY": "it is a read-only replica: point REDIS_URL at the primary",
    "OOM": "its memory is full (maxmemory): free some, or allow more",
    "MISCONF": "it cannot save to its disk and therefore refuses writes: free the disk",
    "LOADING": "it is still loading its data: wait",
    "BUSY": "a script keeps it busy: wait",
    "MASTERDOWN": "its primary is down: wait for the failover",
    "NOREPLICAS": "it has too few replicas to accept writes: wait",
    "CLUSTERDOWN": "the cluster does not serve all slots: wait for the failover",
    "TRYAGAIN": "slots are moving: wait",
    "UNKILLABLE": "a script keeps it busy: wait",
}
_LASTING = {
    "NOAUTH": "it wants a password: give one in REDIS_URL",
    "WRONGPASS": "the user or password in REDIS_URL is not accepted",
    "NOPERM": (
        "the user lacks a right: it needs reading, writing and PUBLISH on instrument:*, "
        "instruments:publication and the channel instruments:updated"
    ),
    "MOVED": "it is a node of a cluster: use redis+cluster:// in REDIS_URL",
    "CROSSSLOT": "it is a cluster: use redis+cluster:// in REDIS_URL",
}


# A cluster of which no node answers raises an error that is no RedisError.
_CUT_OFF = (redis.ConnectionError, redis.TimeoutError, exceptions.RedisClusterException, OSError)

# redis-py takes the code off the text and makes a class of it; the more special class first.
_CODES: dict[type[redis.RedisError], str] = {
    exceptions.MovedError: "MOVED",
    exceptions.AskError: "TRYAGAIN",
    exceptions.TryAgainError: "TRYAGAIN",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.ClusterCrossSlotError: "CROSSSLOT",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.BusyLoadingError: "LOADING",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.NoPermissionError: "NOPERM",
}


class ServerRefusal(Exception):  # the server's own words, never shown bare
    """An error reply of the server, as it came over the wire."""


class PartlyExecuted(ServerRefusal):
    """A command failed inside EXEC, where Redis goes on with the others."""


class WriteConflict(Exception):  # says what happened
    """Another export wrote between our plan and our transaction."""


def explain(error: BaseException, place: str, consumers: str) -> ExportError:
    """The exporters' error for what redis-py or the server said.

    Args:
        error: What was caught.
        place: Where Redis is, without its password.
        consumers: What the readers see now.
    """
    text = _words(error)
    for code, meaning in _TRANSIENT.items():
        if _names(text, code):
            return DestinationUnavailable(
                f"Redis at {place} does not take the write: {text}",
                consumers=consumers,
                remedy=f"That means {meaning}; then run the export again.",
            )
    for code, meaning in _LASTING.items():
        if _names(text, code):
            return DestinationRefused(
                f"Redis at {place} refuses: {text}",
                consumers=consumers,
                remedy=f"That means {meaning}.",
            )
    return _by_kind(error, text, place, consumers)


def _by_kind(error: BaseException, text: str, place: str, consumers: str) -> ExportError:
    if isinstance(error, WriteConflict):
        return DestinationUnavailable(
            f"Another export wrote to Redis at {place} at the same moment",
            consumers=consumers,
            remedy="Run the export again: it compares afresh.",
        )
    if isinstance(error, redis.AuthenticationError):
        return DestinationRefused(
            f"Redis at {place} does not accept the login: {text}",
            consumers=consumers,
            remedy="Correct the user and password in REDIS_URL.",
        )
    if isinstance(error, _CUT_OFF):
        return DestinationUnavailable(
            f"Redis at {place} is out of reach: {text}",
            consumers=consumers,
            remedy=_connection_remedy(error),
        )
    return DestinationRefused(
        f"Redis at {place} refuses: {text}",
        consumers=consumers,
        remedy="A person has to look at the server; then run the export again.",
    )


def _connection_remedy(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError) or "certificate" in str(error).lower():
        return "Name the certificate authority in the URL: rediss://...?ssl_ca_certs=/path/ca.pem."
    return "Start it or correct REDIS_URL, then run the export again."


def _names(text: str, code: str) -> bool:
    # EXECABORT carries the reason in its text: "... because of: OOM command not allowed".
    return text.startswith(code) or f": {code} " in text or f"because of: {code}" in text


def _words(error: BaseException) -> str:
    lines = str(error).splitlines()
    text = lines[0][:300] if lines else type(error).__name__
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), "")
    return text if text.startswith(code) else f"{code} {text}"


@contextmanager
def explained(place: str, consumers: str, *, cut_off: str = "") -> Iterator[None]:
    """Turn what redis-py, the socket or the server raises in the body into an `ExportError`.

    Args:
        place: Where Redis is, without its password.
        consumers: What the readers see after a refusal.
        cut_off: What they see when the connection broke, if that is not the same.
    """
    try:
        yield
    except PartlyExecuted as error:
        raise explain(error, place, PARTLY_STATE) from error
    except _CUT_OFF as error:
        raise explain(error, place, cut_off or consumers) from error
    except (
        redis.RedisError,
        hiredis.HiredisError,
        ServerRefusal,
        WriteConflict,
    ) as error:
        raise explain(error, place, consumers) from error
