"""What a user has settled once: the config file, and where each setting comes from.

warehouse = "~/calls"          # folder of the tables
zone = "Europe/Berlin"         # of minutes, hours and days
limits = "~/limits.toml"       # rate limits and a budget; left out: limits.toml in the warehouse

[names]                        # what tables on a terminal show instead
"claude-opus-4-5-20251101" = "opus"
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ingest.errors import IngestError, reason
from parsers.values.messages import line_of, nearest

_KEYS = ("warehouse", "zone", "limits", "names")


class Setting(NamedTuple):
    """A value and its origin: an option, the environment, a line of the config file, or a default."""

    value: str
    origin: str


class Config(NamedTuple):
    """What the config *file* says; nothing, where there is none."""

    file: Path
    text: str
    values: Mapping[str, Any]

    def setting(self, key: str) -> Setting | None:
        """Return what the file says under *key*."""
        return Setting(self.values[key], self.place(key)) if key in self.values else None

    def path(self, key: str) -> Setting | None:
        """Return the path under *key*, which begins at the folder of the file."""
        found = self.setting(key)
        return found and found._replace(value=str(self.file.parent / Path(found.value).expanduser()))

    def place_of(self, key: str) -> Setting | None:
        """Return the address under *key* as it is, or the path as `path` does."""
        found = self.setting(key)
        return found if found and "://" in found.value else self.path(key)

    def place(self, key: str, table: str = "") -> str:
        """Return the file and the line of *key*, as errors begin."""
        return f"{self.file}, line {line_of(self.text, key, table)}"


def config_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the config file is, or would be."""
    return _folder(environment, "XDG_CONFIG_HOME", ".config") / "config.toml"


def config() -> Config:
    """Read the config file.

    Raises:
        IngestError: It can't be read, isn't TOML, or says something that is no setting; the message names the line.
    """
    from parsers.values.by_hand import toml_in

    file = config_file()
    try:
        text, said = toml_in(file, IngestError)
    except FileNotFoundError:
        return Config(file, "", {})
    except PermissionError:
        # In a folder that this user may not look into, such as another user's home, there is nothing of theirs.
        if not os.access(file.parent, os.X_OK):
            return Config(file, "", {})
        raise IngestError(f"{file} can't be read: Permission denied; mend it, or move it away") from None
    except OSError as error:
        raise IngestError(f"{file} can't be read: {reason(error)}; mend it, or move it away") from error
    found = Config(file, text, said)
    _check(found)
    return found


def warehouse(option: str | None = None, *, has_paths: bool = False) -> Setting:
    """Return the warehouse, by the one rule of all commands; *has_paths*: the command was told what to read."""
    if option is not None:
        return Setting(option, "option --warehouse")
    if given := os.environ.get("INGEST_WAREHOUSE"):
        return Setting(given, "environment, $INGEST_WAREHOUSE")
    if said := config().place_of("warehouse"):
        return said
    if has_paths or Path("warehouse").exists():
        return Setting("warehouse", "default, ./warehouse")
    own = _folder(os.environ, "XDG_DATA_HOME", ".local/share") / "warehouse"
    return Setting(str(own), "default, as there is no ./warehouse")


def zone(option: str | None = None) -> Setting | None:
    """Return the time zone that was chosen; None leaves it to the system."""
    return Setting(option, "option --tz") if option is not None else config().setting("zone")


def limits() -> Path | None:
    """Return the file of the account's limits; None leaves them to the warehouse."""
    said = config().path("limits")
    return Path(said.value) if said else None


def names() -> dict[str, str]:
    """Return what tables show instead of some values."""
    return dict(config().values.get("names", {}))


def _folder(environment: Mapping[str, str], variable: str, usual: str) -> Path:
    base = environment.get(variable)
    return (Path(base) if base else Path.home() / usual) / "llm-ingest"


def _check(found: Config) -> None:
    for key, value in found.values.items():
        if key not in _KEYS:
            raise IngestError(f"{found.place(key)}: no setting is called {key!r}{nearest(key, _KEYS)}")
        if key == "names":
            _check_names(found, value)
        elif not isinstance(value, str) or not value:
            raise IngestError(f"{found.place(key)}: {key} is a text, such as {key} = {_EXAMPLES[key]!r}")
    if "zone" in found.values:
        _check_zone(found)


_EXAMPLES = {"warehouse": "~/calls", "zone": "Europe/Berlin", "limits": "~/limits.toml"}


def _check_names(found: Config, value: object) -> None:
    if not isinstance(value, dict):
        raise IngestError(
            f'{found.place("names")}: [names] is a table, with lines such as "gpt-5.2-2025-12-11" = "5.2"'
        )
    for name, shown in value.items():
        if not isinstance(shown, str) or not shown:
            raise IngestError(f"{found.place(name, 'names')}: what to show instead of {name} is a text")


def _check_zone(found: Config) -> None:
    from zoneinfo import ZoneInfo, available_timezones

    name = found.values["zone"]
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        near = nearest(name, available_timezones())
        raise IngestError(f"{found.place('zone')}: no time zone is called {name!r}{near}") from error
