"""LearnPro's API log, pino JSON lines with numeric levels and `time` in epoch milliseconds: budgets hit, calls failed.

    {"level":40,"time":1777277702114,"reqId":"req-1","user_id":"6b1c","used":1200,"limit":1000,"msg":"daily budget hit"}

The log has no usage of calls. A budget that was hit is an event `budget_exceeded`, a request that had to be refused
because the model failed is an event `call_failed` (the failed call itself is among the telemetry events).
"""

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.jsonl.decode import decode
from parsers.jsonl.unknown_fields import joined, leftovers
from parsers.rows.typed_tables import parsed
from parsers.values.typed import epoch, known, metadata

_FAILED = r"LLM call failed|failed (?:—|\\u2014) surfacing 503$"
"""How messages about a request end that was refused because the model failed, as text or as JSON may spell it."""
_ERROR = pl.Struct({"type": pl.String, "message": pl.String, "stack": pl.String})
_RECORD = pl.Struct(
    {
        "level": pl.Int64,
        "time": pl.Int64,
        "pid": pl.Int64,
        "hostname": pl.String,
        "reqId": pl.String,
        "user_id": pl.String,
        "used": pl.Int64,
        "limit": pl.Int64,
        "msg": pl.String,
        "err": _ERROR,
    }
)


def _parse(records: pl.DataFrame, _context: Context) -> Parsed:
    decoded, rejects = decode(records, _RECORD)
    rest = leftovers(decoded).alias("rest")
    rows = decoded.with_columns(rest).unnest("record")
    failed = pl.col("msg").str.contains(_FAILED)
    events = rows.select(
        "source_offset",
        created_at=epoch(pl.col("time"), "ms"),
        kind=pl.when(failed).then(pl.lit("call_failed")).otherwise(pl.lit("budget_exceeded")),
        reason=pl.coalesce(known(pl.col("err").struct.field("message")), known(pl.col("msg"))),
        metadata=joined(metadata(_fields()), pl.col("rest")),
        format=pl.lit("learnpro-api/pino"),
    )
    return parsed(None, [rejects], events=events)


def _fields() -> dict[str, pl.Expr]:
    return {
        "user_id": known(pl.col("user_id")),
        "request_id": known(pl.col("reqId")),
        "host": known(pl.col("hostname")),
        "used_tokens": pl.col("used"),
        "limit_tokens": pl.col("limit"),
        "error_type": known(pl.col("err").struct.field("type")),
    }


_LINE = pl.col("line")

FORMAT = Format(
    name="learnpro-api",
    title="LearnPro's API log (pino): budgets hit, calls failed",
    json=True,
    claims=_LINE.str.contains(r'"level"\s*:\s*\d')
    & _LINE.str.contains(r'"time"\s*:\s*\d')
    & _LINE.str.contains(
        r'"msg"\s*:\s*"(?:daily budget hit"|[^"]*(?:LLM call failed|failed (?:—|\\u2014) surfacing 503"))'
    ),
    parse=_parse,
    hints=('"msg"',),
)
