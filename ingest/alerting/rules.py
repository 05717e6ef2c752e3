"""`alerts.toml` of a warehouse → rules, checked so that each mistake names its line.

exec = "…"                    # above all rules, for those that say nothing else; so are webhook and shape

[[rule]]
name = "near the limit"
report = "headroom"           # or sql = "select …"
parameters = { by = "user" }  # of the report, as -p
filters = { model = "gpt-5" } # as the options of `ingest report`
window = "1h"                 # only calls as young as this; left out: all
key = ["model", "counts"]     # a crossing is of one key; left out: the rule has one
value = "share"               # the column to look at; left out: each row is a crossing
at = "minute"                 # the column that says when; left out: the time of the check
above = 0.8                   # or below
clear = 0.6                   # the level of rest, after which it may cross again; left out: the threshold
exec = "command"              # by the shell; or a list of words
webhook = "$OPS_WEBHOOK"      # an address, or the variable that holds it
shape = "slack"               # or "json"
"""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ingest.errors import IngestError
from parsers.values.by_hand import toml_in
from parsers.values.messages import line_of, nearest

FILE = "alerts.toml"
FILTERS = (
    "model",
    "agent",
    "story",
    "session",
    "user",
    "account",
    "role",
    "project",
    "tool",
    "host",
    "provider",
    "tz",
)
_WAYS = ("exec", "webhook", "shape")
_KEYS = (
    *("name", "report", "sql", "parameters", "filters", "window", "key", "value", "at", "above", "below", "clear"),
    *_WAYS,
)
_AGE = re.compile(r"\d{1,6}[mhdw]")
_SHAPES = ("json", "slack")
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Rule(NamedTuple):
    """What to ask, which rows cross, and how to tell it. Without a *value* each row crosses; *sign* is -1 for below."""

    name: str
    report: str | None = None
    sql: str | None = None
    parameters: Mapping[str, str] = {}
    filters: Mapping[str, Sequence[str]] = {}
    window: str | None = None
    key: Sequence[str] = ()
    value: str | None = None
    at: str | None = None
    threshold: float | None = None
    clear: float | None = None
    sign: int = 1
    command: str | Sequence[str] | None = None
    webhook: str | None = None
    shape: str = "json"

    def crosses(self, value: float | None) -> bool:
        """Tell whether *value* is at or beyond the threshold; nobody knows it of an unknown one."""
        if self.threshold is None:
            return True
        return value is not None and value * self.sign >= self.threshold * self.sign

    def rests(self, value: float | None) -> bool:
        """Tell whether *value* has fallen back so far that the rule may be crossed again."""
        level = self.threshold if self.clear is None else self.clear
        return level is not None and value is not None and value * self.sign < level * self.sign


class _Place(NamedTuple):
    """Where the *number*-th rule stands in the file, to say so in errors."""

    file: Path
    text: str
    number: int

    def error(self, key: str | None, said: str) -> IngestError:
        return IngestError(f"{self.file}, line {line_of(self.text, key, 'rule', self.number)}: {said}")


def read(file: Path) -> list[Rule]:
    """Read the rules in *file*, which only its user may be able to write: it runs commands.

    Raises:
        IngestError: It can't be read, isn't TOML, says what can't be, or others may write it.
    """
    text, found = _toml(file)
    for key in found:
        if key not in ("rule", *_WAYS):
            said = f"no setting is called {key!r}{nearest(key, ('rule', *_WAYS))}"
            raise IngestError(f"{file}, line {line_of(text, key)}: {said}")
    tables = found.pop("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise IngestError(f"{file}, line {line_of(text, 'rule')}: a rule is a table: write [[rule]]")
    rules = [_rule(found | table, table, _Place(file, text, number)) for number, table in enumerate(tables)]
    for number, rule in enumerate(rules):
        if any(rule.name == other.name for other in rules[:number]):
            raise _Place(file, text, number).error("name", f"two rules are called {rule.name!r}")
    return rules


def _toml(file: Path) -> tuple[str, dict[str, Any]]:
    try:
        status = file.stat()
        text, found = toml_in(file, IngestError)
    except FileNotFoundError as error:
        raise IngestError(f"no rules at {file}: write some, as docs/alerts.md shows") from error
    except OSError as error:
        raise IngestError(f"{file} can't be read: {error.strerror}") from error
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & _OTHERS_MAY_WRITE:
        raise IngestError(f"{file} runs commands, and others than this user may write it: chown it, and chmod go-w")
    return text, found


def _rule(said: Mapping[str, Any], own: Mapping[str, Any], place: _Place) -> Rule:
    """Return the rule that *said* describes, of which *own* is what stands in its table."""
    for key in own:
        if key not in _KEYS:
            raise place.error(key, f"a rule has no {key!r}{nearest(key, _KEYS)}")
    for key in ("name", "report", "sql", "window", "value", "at", "webhook", "shape"):
        if key in said and not (isinstance(said[key], str) and said[key]):
            raise place.error(key, f"{key} is a text")
    if "name" not in said:
        raise place.error(None, 'a rule has a name, such as name = "near the limit"')
    if ("report" in said) == ("sql" in said):
        raise place.error("sql", "a rule asks a report, or sql, and not both")
    if not _AGE.fullmatch(said.get("window", "1h")):
        raise place.error("window", f"window is an age, such as 1h or 7d, not {said['window']!r}")
    threshold, clear, sign = _levels(said, place)
    return Rule(
        said["name"],
        report=said.get("report"),
        sql=said.get("sql"),
        parameters={key: str(value) for key, value in _table(said, "parameters", place).items()},
        filters=_filters(said, place),
        window=said.get("window"),
        key=_texts(said, "key", place),
        value=said.get("value"),
        at=said.get("at"),
        threshold=threshold,
        clear=clear,
        sign=sign,
        command=_command(said, place),
        webhook=_address(said, place),
        shape=_shape(said, place),
    )


def _levels(said: Mapping[str, Any], place: _Place) -> tuple[float | None, float | None, int]:
    """Return the threshold, the level of rest, and on which side of it a value crosses."""
    for key in ("above", "below", "clear"):
        if key in said and (not isinstance(said[key], int | float) or isinstance(said[key], bool)):
            raise place.error(key, f"{key} is a number")
    given = [key for key in ("above", "below") if key in said]
    if len(given) != ("value" in said):
        where = given[-1] if given else "value"
        raise place.error(where, "a rule with a value has above or below, and one without has neither")
    if not given:
        return None, None, 1
    threshold, clear, sign = float(said[given[0]]), said.get("clear"), 1 if given[0] == "above" else -1
    if clear is not None and clear * sign > threshold * sign:
        raise place.error("clear", f"clear is on the other side of {given[0]} = {said[given[0]]}")
    return threshold, clear if clear is None else float(clear), sign


def _filters(said: Mapping[str, Any], place: _Place) -> dict[str, tuple[str, ...]]:
    given = _table(said, "filters", place)
    for key in given:
        if key not in FILTERS:
            raise place.error("filters", f"no filter is called {key!r}{nearest(key, FILTERS)}")
    return {key: _texts(given, key, place) for key in given}


def _table(said: Mapping[str, Any], key: str, place: _Place) -> Mapping[str, Any]:
    table = said.get(key, {})
    if not isinstance(table, dict):
        raise place.error(key, f'{key} is a table, such as {{ model = "gpt-5.2" }}')
    return table


def _texts(said: Mapping[str, Any], key: str, place: _Place) -> tuple[str, ...]:
    value = said.get(key, [])
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise place.error(key, f"{key} is a text, or a list of texts")
    return tuple(words)


def _command(said: Mapping[str, Any], place: _Place) -> str | tuple[str, ...] | None:
    if isinstance(said.get("exec"), str) and said["exec"].strip():
        return str(said["exec"])
    if "exec" in said and not (words := _texts(said, "exec", place)):
        raise place.error("exec", "exec is a command, or a list of its words")
    return words if "exec" in said else None


def _address(said: Mapping[str, Any], place: _Place) -> str | None:
    """Return where to send messages; an address may hold a secret, so that errors don't say it."""
    given = said.get("webhook")
    if given is None:
        return None
    address = os.environ.get(given[1:], "") if given.startswith("$") else given
    if not address:
        raise place.error("webhook", f"{given} is not set in the environment")
    if not address.startswith(("http://", "https://")):
        raise place.error("webhook", "webhook is an address that begins with https:// or http://")
    return str(address)


def _shape(said: Mapping[str, Any], place: _Place) -> str:
    shape = said.get("shape", "json")
    if shape not in _SHAPES:
        raise place.error("shape", f"shape is json or slack, not {shape!r}{nearest(shape, _SHAPES)}")
    return str(shape)
