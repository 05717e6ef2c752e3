"""Inferences that the usage of an Anthropic response lists but doesn't count: advisers and compactions.

    "usage":{"input_tokens":2,"output_tokens":491,"iterations":[{"type":"message","input_tokens":1,"output_tokens":45},
     {"type":"advisor_message","model":"claude-opus-4-7","input_tokens":159419,"output_tokens":7805},
     {"type":"message","input_tokens":1,"output_tokens":446}]}

The usage counts the sum of its iterations of type `message`. An adviser (`advisor_message`) is another model, billed at
its own rates; a compaction (`compaction`) is the same model, asked to sum up the conversation. Each of these is a call
of its own, with the `task` `advisor` or `compaction`, at the offset of the response that it belongs to.

ccusage counts advisers as we do, and leaves compactions out, which are billed nevertheless.
"""

import polars as pl

from parsers.jsonl.decode import decode

_TASKS = {"advisor_message": "advisor", "compaction": "compaction"}
_LISTED = rf'"type"\s*:\s*"(?:{"|".join(_TASKS)})"'  # within a text the quotes would be escaped
_COUNTS = {
    "request_tokens": "input_tokens",
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
    "response_tokens": "output_tokens",
}
_SPLIT = {
    "cache_write_5m_tokens": "ephemeral_5m_input_tokens",
    "cache_write_1h_tokens": "ephemeral_1h_input_tokens",
}
COUNTS = (*_COUNTS, *_SPLIT)
"""The counts of an iteration, as `calls.FIELDS` names them; the cache is no part of `request_tokens`."""

_USAGE = pl.Struct(
    {
        "iterations": pl.List(
            pl.Struct(
                {
                    **dict.fromkeys(("type", "model", *_COUNTS.values()), pl.String),
                    "cache_creation": pl.Struct(dict.fromkeys(_SPLIT.values(), pl.String)),
                }
            )
        )
    }
)


def beside(fields: pl.DataFrame, places: tuple[tuple[str, ...], ...]) -> pl.DataFrame:
    """Return the inferences that *fields* list beside their own, each with the fields of the response it belongs to.

    *fields* have the column `line`; *places* are where the usage may be. `model`, `task` and `COUNTS` are those of the
    inference, `number` is its place in the list, and no other count or cost is kept.
    """
    listing = fields.filter(pl.col("line").str.contains(_LISTED))
    if listing.is_empty():
        return fields.clear().with_columns(task=pl.lit(None, pl.String), number=pl.lit(None, pl.String))
    decoded, _ = decode(listing, _dtype(places))
    found = [_at(pl.col("record"), place).struct.field("iterations") for place in places]
    each = decoded.with_columns(pl.coalesce(found).alias("one")).drop("record")
    each = each.with_columns(number=pl.int_ranges(pl.col("one").list.len())).explode("one", "number")
    one = pl.col("one").struct
    split = {name: one.field("cache_creation").struct.field(key) for name, key in _SPLIT.items()}
    unknown = ["reasoning_tokens", "total_tokens", "cost"]
    return (
        each.filter(one.field("type").is_in(list(_TASKS)).fill_null(value=False))
        .with_columns(
            pl.coalesce(one.field("model"), "model").alias("model"),
            one.field("type").replace_strict(_TASKS, default=None, return_dtype=pl.String).alias("task"),
            pl.col("number").cast(pl.String),
            *(one.field(key).alias(name) for name, key in _COUNTS.items()),
            *(value.alias(name) for name, value in split.items()),
            *(pl.lit(None, fields.schema[name]).alias(name) for name in unknown if name in fields.columns),
        )
        .drop("one")
    )


def _dtype(places: tuple[tuple[str, ...], ...]) -> pl.Struct:
    below: dict[str, pl.Struct] = {}
    if () in places:
        below["usage"] = _USAGE
    for key in dict.fromkeys(place[0] for place in places if place):
        below[key] = _dtype(tuple(place[1:] for place in places if place and place[0] == key))
    return pl.Struct(below)


def _at(record: pl.Expr, place: tuple[str, ...]) -> pl.Expr:
    for key in (*place, "usage"):
        record = record.struct.field(key)
    return record
