"""The table `alerts`: each crossing once, and how far it has been told. Written before anything is sent."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import polars as pl

from ingest.alerting.crossings import Crossing, Last
from ingest.errors import WarehouseError
from ingest.ledger import Conflict
from ingest.warehouse.open_table import make_ready
from ingest.warehouse.storage.store import Place
from ingest.warehouse.table import Table
from parsers.schema import ALERTS, EMPTY, conform

_NAME = "alerts"
_TRIES = 5


class Alert(NamedTuple):
    """A crossing as the table has it, as far as sending needs it."""

    created_at: datetime
    alert_id: str
    rule: str
    key: str
    value: float | None
    threshold: float | None
    row: str
    told: str | None
    tries: int

    @property
    def ways(self) -> list[str]:
        """The ways by which it was told."""
        return self.told.split(",") if self.told else []


class Book:
    """The open table. Several may be open: who adds, adds to exactly what it has seen."""

    def __init__(self, place: Place) -> None:
        """Open the table in the warehouse at *place*; make it where it isn't there.

        Raises:
            WarehouseError: It can't be written, or is damaged.
        """
        (state,), _ = make_ready(place, [_NAME], self)  # for as long as this is open, nobody repairs
        self._table = Table(place, _NAME, state)

    def last(self) -> dict[str, dict[str, Last]]:
        """Return the last crossing of each rule and key, as of now."""
        self._table.refresh()
        columns = ("rule", "key", "alert_id", "created_at", "cleared_at")
        rows = self._table.scan().select(columns).sort("created_at").collect()
        found: dict[str, dict[str, Last]] = {}
        for rule, key, *last in rows.iter_rows():
            found.setdefault(rule, {})[key] = Last(*last)
        return found

    def pending(self) -> list[Alert]:
        """Return the crossings that are not told by all ways, the oldest first."""
        rows = self._table.scan().filter(pl.col("state") == "pending").sort("created_at", "alert_id")
        return [Alert(*row) for row in rows.select(Alert._fields).collect().iter_rows()]

    def add(self, new: Sequence[Crossing], now: datetime) -> None:
        """Add the crossings that `last` led to, all pending.

        Raises:
            Conflict: Another process has added some since; look again.
        """
        if not new:
            return
        count = self._table.offsets.get(_NAME)
        rows = conform(pl.DataFrame([_row(crossing, now) for crossing in new], infer_schema_length=None), ALERTS)
        self._table.append(rows, {_NAME: (count or 0) + len(new)}, {_NAME: count})
        self._table.tidy()

    def change(self, changes: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Set columns of crossings, by their ids.

        Raises:
            WarehouseError: It can't be written.
        """
        wanted = [{"alert_id": name, **values} for name, values in changes]
        if not wanted:
            return
        schema = dict(EMPTY[_NAME].schema)
        new = pl.DataFrame(wanted, schema={name: schema[name] for name in wanted[0]})
        where = self._table.scan().filter(pl.col("alert_id").is_in(new["alert_id"].to_list()))
        for day in where.select(pl.col("created_at").dt.date().unique().sort()).collect().to_series():
            self._replace(day, new)
        self._table.tidy()

    def _replace(self, day: Any, new: pl.DataFrame) -> None:
        for _ in range(_TRIES):
            rows = self._table.read(day)
            try:
                self._table.replace(day, rows.update(new, on="alert_id"))
            except Conflict:
                continue
            return
        raise WarehouseError(f"{self._table.shown}: another process keeps replacing the rows of {day}")


def _row(crossing: Crossing, now: datetime) -> dict[str, Any]:
    rule, point = crossing
    return {
        "created_at": point.at.astimezone(UTC),
        "alert_id": crossing.id,
        "rule": rule.name,
        "key": point.key,
        "value": point.value,
        "threshold": rule.threshold,
        "row": point.row,
        "found_at": now,
        "state": "pending",
        "tries": 0,
    }
