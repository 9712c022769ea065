"""Feature flags: defaults, then a JSON file, then the environment; the later beats the earlier.

The file, named by REGISTRY_CONFIG_FILE, is `{"feature_flags": {"use_...": true}}`; whatever else it
holds is kept when a flag is saved. In the environment a flag is `true 1 yes on` or
`false 0 no off`, in any case.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from instrument_registry.atomic_file import replace
from instrument_registry.errors import FlagRefused, shown
from instrument_registry.settings import RegistrySettings, read_settings

ENVIRONMENT: Final[Mapping[str, str]] = {
    "REGISTRY_USE_INTRADAY_FOCUS_SCANNER": "use_intraday_focus_for_scanner",
    "REGISTRY_USE_INTRADAY_FOCUS_PATTERNS": "use_intraday_focus_for_patterns",
    "REGISTRY_USE_INTRADAY_FOCUS_ALERTS": "use_intraday_focus_for_alerts",
    "REGISTRY_USE_INTRADAY_FOCUS_EXECUTOR": "use_intraday_focus_for_executor",
    "REGISTRY_USE_COMPREHENSIVE_FOR_ORDERS": "use_comprehensive_for_orders",
    "REGISTRY_ENABLE_MONITORING": "enable_performance_monitoring",
    "REGISTRY_ENABLE_CACHING": "enable_registry_caching",
}
_PREFIXES: Final = ("REGISTRY_USE_", "REGISTRY_ENABLE_")
_SECTION: Final = "feature_flags"
_WORDS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


@dataclass(frozen=True, slots=True)
class FeatureFlags:
    """Which registry each sort of module gets, and what else is switched on.

    Attributes:
        use_intraday_focus_for_scanner: scanners and data pipelines get the focus set.
        use_intraday_focus_for_patterns: pattern detectors do.
        use_intraday_focus_for_alerts: alert builders do.
        use_intraday_focus_for_executor: order managers and executors do.
        use_comprehensive_for_orders: orders get every instrument, whatever the one before says.
        enable_performance_monitoring: lookups with monitoring are counted and timed.
        enable_registry_caching: a process shares one registry a type; else each call reads anew.
    """

    use_intraday_focus_for_scanner: bool = True
    use_intraday_focus_for_patterns: bool = True
    use_intraday_focus_for_alerts: bool = True
    use_intraday_focus_for_executor: bool = True
    use_comprehensive_for_orders: bool = False
    enable_performance_monitoring: bool = True
    enable_registry_caching: bool = True


@dataclass(frozen=True, slots=True)
class FlagOrigin:
    """A flag, and who said so.

    Attributes:
        value: as it stands.
        source: `default`, `file` or `environment`.
        where: the file, or the variable; empty for a default.
    """

    value: bool
    source: str = "default"
    where: str = ""


NAMES: Final = tuple(one.name for one in fields(FeatureFlags))


def read_flags(settings: RegistrySettings) -> FeatureFlags:
    """The flags that the settings' file and environment say.

    Raises:
        FlagRefused: a flag that does not exist, or a value that is neither true nor false; the
            message names it, and the file or variable.
    """
    return FeatureFlags(**{name: one.value for name, one in read_flag_origins(settings).items()})


def read_flag_origins(settings: RegistrySettings) -> dict[str, FlagOrigin]:
    """The flags by name, each with who said so.

    Raises:
        FlagRefused: as `read_flags`.
    """
    found = {name: FlagOrigin(value) for name, value in asdict(FeatureFlags()).items()}
    path = settings.config_file
    of_file = _of_file(path, _document(path)) if path else {}
    found |= {name: FlagOrigin(value, "file", str(path)) for name, value in of_file.items()}
    variables = {name: variable for variable, name in ENVIRONMENT.items()}
    return found | {
        name: FlagOrigin(value, "environment", variables[name])
        for name, value in _of_environment(settings.environment).items()
    }


def get_registry_feature_flags() -> dict[str, bool]:
    """The flags as they stand now, by name.

    Raises:
        FlagRefused: as `read_flags`.
    """
    return asdict(read_flags(read_settings()))


def set_feature_flag(name: str, value: bool) -> None:  # noqa: FBT001 - the agreed signature
    """Save a flag in the file that REGISTRY_CONFIG_FILE names; other processes see it whole.

    Raises:
        FlagRefused: there is no such flag, the value is no bool, the file cannot be read or
            written, none is named, or the environment says something else, which would win.
    """
    settings = read_settings()
    path = settings.config_file
    if name not in NAMES:
        raise FlagRefused(f"{shown(name)} is no flag; expected one of {', '.join(NAMES)}")
    if not isinstance(value, bool):
        raise FlagRefused(f"{name} was given {shown(value)}; expected True or False")
    if path is None:
        raise FlagRefused(f"{name} cannot be saved: REGISTRY_CONFIG_FILE names no file")
    if _of_environment(settings.environment).get(name, value) is not value:
        raise FlagRefused(f"{name} was not saved: the environment says otherwise, and it wins")
    document = _document(path)
    kept = _of_file(path, document)
    document[_SECTION] = {**kept, name: value}
    _replace(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        # Named before the first flag was saved.
        return {}
    except (OSError, ValueError) as error:
        raise FlagRefused(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise FlagRefused(f"{path} holds {shown(found)}; expected an object with {_SECTION}")
    return found


def _of_file(path: Path, document: Mapping[str, Any]) -> Mapping[str, bool]:
    found = document.get(_SECTION, {})
    if not isinstance(found, dict):
        raise FlagRefused(f"{_SECTION} in {path} is {shown(found)}; expected an object")
    for name, value in found.items():
        if name not in NAMES:
            raise FlagRefused(
                f"{path} sets {shown(name)}, which is no flag; expected {', '.join(NAMES)}"
            )
        if not isinstance(value, bool):
            raise FlagRefused(f"{path} sets {name} to {shown(value)}; expected true or false")
    return found


def _of_environment(environment: Mapping[str, str]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for variable, text in environment.items():
        name = ENVIRONMENT.get(variable)
        if name is None:
            if variable.startswith(_PREFIXES):
                raise FlagRefused(
                    f"{variable} is no flag; expected one of {', '.join(sorted(ENVIRONMENT))}"
                )
            continue
        # Set to nothing is not set, as in a compose file that passes a variable on.
        if not text.strip():
            continue
        value = _WORDS.get(text.strip().lower())
        if value is None:
            raise FlagRefused(
                f"{variable} is {shown(text)}; expected true, 1, yes, on, false, 0, no or off"
            )
        found[name] = value
    return found


def _replace(path: Path, text: str) -> None:
    try:
        replace(path, text.encode())
    except OSError as error:
        raise FlagRefused(f"{path} cannot be written: {error.strerror}; it is as it was") from error
