"""What the screen shows, as plain frames: asked once for each snapshot, and summed anew as time goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import polars as pl

from queries.answers import reports
from queries.connection import connect, files
from queries.connection.frames import frame

_SQL = {
    name: (resources("queries") / "live" / f"{name}.sql").read_text(encoding="utf-8")
    for name in ("models", "hours", "charged", "money", "largest", "last")
}
_SPAN = timedelta(hours=29)
"""What is looked at: the day, however long, and the block of five hours that it may have begun in."""

BY = ("agent", "project", "user", "model")
WINDOWS = (15, 60, 24 * 60, 5)
"""Minutes of the ranking, in the order in which one changes them."""

_MODEL = ("provider", "model", "counts")


@dataclass(frozen=True)
class Asked:
    """What somebody wants to see; *limit* is for models of which no other is known."""

    warehouse: Path
    filters: Mapping[str, Any]
    limits: Path | None = None
    limit: int | None = None
    by: str = BY[0]
    minutes: int = WINDOWS[0]


@dataclass(frozen=True)
class Facts:
    """What one snapshot says; what was `used` is summed again for each moment."""

    version: str
    minute: int
    models: pl.DataFrame
    charged: pl.DataFrame
    money: dict[str, Any]
    largest: pl.DataFrame
    last: pl.DataFrame
    zone: str

    def at(self, moment: datetime) -> pl.DataFrame:
        """Return the models with what the 60 seconds before *moment* used, and its share."""
        recent = self.charged.filter(pl.col("second") > int(moment.timestamp()) - 60)
        used = recent.group_by(_MODEL).agg(used=pl.col("amount").sum())
        rows = self.models.drop("used").join(used, on=_MODEL, how="left", nulls_equal=True)
        rows = rows.with_columns(pl.col("used").fill_null(0))
        whole = pl.coalesce("limit_a_minute", "peak")
        part = pl.when(whole > 0).then(pl.col("used") / whole)
        rows = rows.with_columns(share=part, headroom=pl.col("limit_a_minute") - pl.col("used"))
        # Whose limit is known comes first, and requests behind tokens: they are few, and so always near their peak.
        known = pl.col("limit_a_minute").is_not_null()
        order = [~known, ~known & (pl.col("counts") == "RPM"), -pl.col("share"), -pl.col("peak"), *_MODEL]
        return rows.sort(order, nulls_last=True)


def is_old(facts: Facts | None, asked: Asked, moment: datetime) -> bool:
    """Tell whether there has been a commit since *facts*, or a minute has gone by."""
    return facts is None or facts.minute != _minute(moment) or facts.version != files.version(asked.warehouse)


def look(asked: Asked, moment: datetime | None = None) -> Facts:
    """Ask all that the screen shows, of the last day only.

    Raises:
        QueryError: There is no warehouse, or it can't be read, or a filter says what can't be.
    """
    now = moment or datetime.now(UTC)
    version = files.version(asked.warehouse)  # what comes meanwhile is for the next look
    serving = " ".join(_SQL.values())
    given = {**asked.filters, "since": now - _SPAN, "now": now, "limits": asked.limits, "serving": serving}
    with connect.connect(asked.warehouse, **given) as connection:

        def rows(name: str, **parameters: object) -> pl.DataFrame:
            return frame(connection.sql(_SQL[name], params={"moment": now, **parameters}))

        models = rows("models").join(rows("hours"), on=_MODEL, how="left", nulls_equal=True)
        if asked.limit is not None:
            own = pl.when(pl.col("counts") != "RPM").then(asked.limit)
            models = models.with_columns(limit_a_minute=pl.coalesce("limit_a_minute", own))
        return Facts(
            version,
            _minute(now),
            models,
            rows("charged"),
            rows("money").row(0, named=True),
            rows("largest", by=asked.by, minutes=asked.minutes),
            rows("last"),
            connect.zone(connection),
        )


def drilled(asked: Asked, report: str, moment: datetime | None = None, **parameters: str | None) -> pl.DataFrame:
    """Return the rows of a *report* over the same calls: the minutes of a model, the calls of a minute.

    What answers its question comes first, as on a narrow terminal, and then the cost.
    """
    now = moment or datetime.now(UTC)
    loaded = reports.load(report)
    with connect.connect(asked.warehouse, **asked.filters, since=now - _SPAN, serving=loaded.reach) as connection:
        answer = reports.run(connection, loaded, pricing=None, **parameters)
    first = list(dict.fromkeys([*answer.first, "cost_usd"]))
    return answer.frame.select(*first, pl.exclude(*first))


def filters_of(text: str) -> dict[str, Sequence[str]]:
    """Return the filters that a line such as `model=gpt-5.2 agent=coder-1` says; a word alone is an agent."""
    found: dict[str, list[str]] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        found.setdefault(name if equals else "agent", []).append(value if equals else name)
    return {**found}


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60
