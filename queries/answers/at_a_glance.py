"""What a status line shows, as a few plain values that a small file keeps: it is read without any library."""

from datetime import UTC, datetime, timedelta
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from queries.connection.connect import connect
from queries.connection.own_limits import FILE, read

_GLANCE = (resources("queries") / "at_a_glance.sql").read_text(encoding="utf-8")
_LONGEST_DAY = timedelta(hours=25)


def glance(
    warehouse: str | Path, *, tz: str | None = None, limits: str | Path | None = None, now: datetime | None = None
) -> dict[str, Any]:
    """Return what today cost against the budget, and the tokens of each second of the last two minutes.

    Args:
        warehouse: folder of the tables.
        tz: zone in which a day begins; by default the system's.
        limits: TOML file of the budget and the limits; otherwise `limits.toml` in the warehouse.
        now: the moment.

    Raises:
        QueryError: There is no warehouse, or it can't be read.
    """
    moment = now or datetime.now(UTC)
    own = read(Path(limits) if limits else Path(warehouse, FILE))
    with connect(warehouse, tz=tz, since=moment - _LONGEST_DAY, serving=_GLANCE, limits=limits) as connection:
        asked = connection.execute(_GLANCE, {"now": moment})
        names = [name for name, *_ in asked.description]
        (row,) = (dict(zip(names, values, strict=True)) for values in asked.fetchall())
    recent = row.pop("recent") or []
    a_minute = {one["model"]: own.of(None, one["model"], "TPM") for one in recent}
    return {
        **row,
        "at": moment.timestamp(),
        "budget_usd": own.usd_a_day,
        "limits": {model: limit.a_minute for model, limit in a_minute.items() if model and limit},
        "recent": [[one["second"], one["model"], one["tokens"]] for one in recent],
    }
