"""Records that hold an object with one member a model, such as the sums of a run → one record for each member.

    {"session_id":"…","modelUsage":{"claude-sonnet-4-6":{"inputTokens":10,…},"claude-haiku-4-5":{…}}}

Models are keys there, which no path can name. Such records are few (one a run), so that Python takes them apart.
"""

from typing import Any

import polars as pl

from parsers.blocks.lines import reject
from parsers.jsonl.decode import loads, text_of
from parsers.jsonl.fields import Path

MODEL, MEMBER = "by_model_name", "by_model"
"""Keys under which each record has the name of its member, and the member."""


def by_model(records: pl.DataFrame, place: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return *records* once for each member of the object at *place*, without it, and as rejects what is no JSON.

    A record without such an object, or with an empty one, stays as it is.
    """
    rows: list[tuple[int, str]] = []
    reasons: dict[int, str] = {}
    for number, line in enumerate(records["line"].to_list()):
        try:
            record = loads(line)
        except ValueError as error:
            reasons[number] = f"not valid JSON: {error}"
            continue
        rows += [(number, text) for text in _members(record, place, line)]
    table = pl.DataFrame(rows, schema={"number": pl.Int64, "text": pl.String}, orient="row")
    each = records[table["number"]].with_columns(line=table["text"])
    bad = records[list(reasons)].with_columns(why=pl.Series(list(reasons.values()), dtype=pl.String))
    return each, reject(bad, pl.col("why"))


def _members(record: Any, place: Path, line: str) -> list[str]:
    holder = record
    for key in place[:-1]:
        holder = holder.get(key) if isinstance(holder, dict) else None
    members = holder.get(place[-1]) if isinstance(holder, dict) else None
    if not isinstance(members, dict) or not members:
        return [line]
    del holder[place[-1]]
    return [text_of({**record, MODEL: name, MEMBER: member}) for name, member in sorted(members.items())]
