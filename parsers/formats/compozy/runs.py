"""compozy v0.2: the public events of a run (`events.jsonl`) and the lean stream of `--format json`.

    {"schema_version":"1.0","run_id":"exec-1","seq":3,"ts":"2026-05-02T04:24:50Z","kind":"job.started",
     "payload":{"index":0,"ide":"claude","model":"opus","reasoning_effort":"medium"}}
    {"schema_version":"1.0","run_id":"exec-1","seq":41,"ts":"2026-05-02T04:25:10.5Z","kind":"usage.updated",
     "payload":{"index":0,"usage":{"input_tokens":812,"output_tokens":96,"total_tokens":1420,"cache_reads":512}}}
    {"type":"session.update","run_id":"exec-1","turn":1,"time":"…","update":{…},"usage":{"inputTokens":812}}

A call is one delta of usage: `usage.updated`, or in the lean stream of one execution, which has no such events, a
`session.update` with usage. `usage.aggregated`, `session.update` of events.jsonl, `session.completed` and
`session.failed` repeat these numbers as totals and are never added. `total_tokens` is cumulative and only checked.

Model and IDE are on other lines: the latest `job.queued`, `job.started` or `session.started` of the same run and index.
The IDE becomes `agent_id`, the job's index `step_id`. Retries, recoveries and failures are events; the `attempt` of
`job_retry_scheduled` is the one that will run.
"""

import polars as pl

from parsers.blocks.format import Context, Format, Parsed, apart
from parsers.blocks.lines import REJECTED, reject
from parsers.formats.compozy.usage_object import USAGE_DTYPE, tokens, unfold
from parsers.jsonl.decode import OWN, decode
from parsers.jsonl.unknown_fields import joined, leftovers
from parsers.rows.token_counts import TOKENS
from parsers.rows.typed_tables import parsed
from parsers.values.providers import provider_of
from parsers.values.typed import known, metadata, utc

_TOLD = ("ide", "model", "effort")
"""What earlier lines say of a job."""

_TELLING = ("job.queued", "job.started", "session.started")
_MARKERS = (
    "job.retry_scheduled",
    "job.stalled",
    "job.parked",
    "job.failed",
    "session.failed",
    "run.recovery_started",
    "run.recovery_restarting",
    "run.recovered",
    "run.recovery_exhausted",
    "run.crashed",
)
_MAKERS = {"claude": "anthropic", "codex": "openai", "gemini": "google"}
"""Provider by the IDE, for models that go by a nickname (`opus`)."""

_JOB: dict[str, pl.DataType | type[pl.DataType]] = {
    "index": pl.Int64,
    "ide": pl.String,
    "model": pl.String,
    "reasoning_effort": pl.String,
}
_PAYLOAD: dict[str, pl.DataType | type[pl.DataType]] = {
    **_JOB,
    "usage": USAGE_DTYPE,
    "attempt": pl.Int64,
    "attempts": pl.Int64,
    "max_attempts": pl.Int64,
    "reason": pl.String,
    "error": pl.String,
}
_RECORD = pl.Struct(
    {
        "schema_version": pl.String,
        "run_id": pl.String,
        "seq": pl.Int64,
        "turn": pl.Int64,
        "ts": pl.String,
        "time": pl.String,
        "kind": pl.String,
        "type": pl.String,
        **_JOB,
        "usage": USAGE_DTYPE,
        "payload": pl.Struct(_PAYLOAD),
    }
)
_AT = pl.col("source_offset")


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    decoded, unread = decode(records, _RECORD)
    rows, undated = _dated(_flat(decoded))
    rows, after = _told(rows, context)
    delta = (pl.col("kind") == "usage.updated") | ((pl.col("kind") == "session.update") & pl.col("payload").is_null())
    deltas = rows.filter(delta)
    calls = _calls(deltas)
    empty = calls["total_tokens"].is_null()
    refused = reject(deltas.filter(empty), "usage without tokens")
    events = _events(rows.filter(pl.col("kind").is_in(_MARKERS)))
    return parsed(calls.filter(~empty), [unread, undated, refused], events=events, context=after)


def _flat(decoded: pl.DataFrame) -> pl.DataFrame:
    payload = pl.col("payload").struct
    rest = leftovers(decoded).alias("rest")
    rows = decoded.with_columns(rest).unnest("record").with_columns(kind=pl.coalesce("kind", "type"))
    return rows.with_columns(
        written=known(pl.coalesce("ts", "time")),
        run_id=known(pl.col("run_id")),
        usage=pl.coalesce(payload.field("usage"), pl.col("usage")),
        index=pl.coalesce(payload.field("index"), pl.col("index")),
        effort=known(pl.coalesce(payload.field("reasoning_effort"), pl.col("reasoning_effort"))),
        **{name: known(pl.coalesce(payload.field(name), pl.col(name))) for name in ("ide", "model")},
        # The stream's updates carry what the agent said: nothing of that is kept.
        rest=pl.when(pl.col("kind") != "session.update").then("rest"),
    )


def _dated(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows = rows.with_columns(created_at=utc(pl.col("written")))
    bad = rows["written"].is_not_null() & rows["created_at"].is_null()
    return rows.filter(~bad), reject(rows.filter(bad), "the time can't be read") if bad.any() else _NO_REJECTS


def _told(rows: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, Context]:
    """Fill in what earlier lines said of each row's job, and return what later lines need to know."""
    job = pl.concat_str(
        pl.coalesce("run_id", pl.lit("")), pl.coalesce(pl.col("index").cast(pl.String), pl.lit("")), separator=" "
    )
    telling = pl.col("kind").is_in(_TELLING)
    rows = rows.with_columns(job=job, **{name: pl.when(telling).then(name) for name in _TOLD})
    keys = [key.split(" ", 1) for key in context]
    before = pl.DataFrame(
        {"job": [job for _, job in keys]}
        | {
            name: [v if told == name else None for (told, _), v in zip(keys, context.values(), strict=True)]
            for name in _TOLD
        },
        schema=dict.fromkeys(("job", *_TOLD), pl.String),
    )
    rows = pl.concat([before, rows], how="diagonal").with_columns(pl.col(_TOLD).forward_fill().over("job"))
    last = rows.group_by("job", maintain_order=True).agg(pl.col(_TOLD).last())
    after = {f"{name} {r['job']}": r[name] for r in last.to_dicts() for name in _TOLD if r[name] is not None}
    return rows.filter(_AT.is_not_null()), after


def _calls(rows: pl.DataFrame) -> pl.DataFrame:
    rows = tokens(unfold(rows, "usage"), zeros_left_out=True)
    enveloped = pl.col("seq").is_not_null() & pl.col("run_id").is_not_null()
    fields = {"grain": pl.lit("delta"), "reasoning_effort": pl.col("effort"), **_where()}
    return rows.select(
        *("source_offset", "created_at", "run_id", "model"),
        *TOKENS,
        ts_source=pl.when(pl.col("created_at").is_not_null()).then(pl.lit("log")),
        step_id=pl.col("index").cast(pl.String),
        agent_id="ide",
        provider=pl.coalesce(
            provider_of(pl.col("model")), pl.col("ide").replace_strict(_MAKERS, default=None, return_dtype=pl.String)
        ),
        token_source=pl.lit("provider"),
        metadata=joined(metadata(fields), pl.col("rest")),
        # The events of a run are in its folder and, while it is watched, on a stream.
        dedupe_key=pl.when(enveloped).then(pl.format("compozy/{}/{}", "run_id", "seq")),
        format=_variant(),
    )


def _events(rows: pl.DataFrame) -> pl.DataFrame:
    payload = pl.col("payload").struct
    rows = tokens(unfold(rows, "usage"), zeros_left_out=True)
    fields = {"ide": pl.col("ide"), "total_tokens": pl.col("total_tokens"), **_where()}
    return rows.select(
        *("source_offset", "created_at", "run_id", "model"),
        kind=pl.col("kind").str.replace_all(".", "_", literal=True),
        step_id=pl.col("index").cast(pl.String),
        attempt=pl.coalesce(payload.field("attempt"), payload.field("attempts")).cast(pl.Int32, strict=False),
        max_attempts=payload.field("max_attempts").cast(pl.Int32, strict=False),
        reason=known(pl.coalesce(payload.field("reason"), payload.field("error"))),
        metadata=joined(metadata(fields), pl.col("rest")),
        format=_variant(),
    )


def _where() -> dict[str, pl.Expr]:
    return {"seq": pl.col("seq"), "turn": pl.col("turn")}


def _variant() -> pl.Expr:
    public = pl.col("schema_version").is_not_null()
    return pl.when(public).then(pl.lit("compozy/events")).otherwise(pl.lit("compozy/stream"))


def _one_of(kinds: tuple[str, ...]) -> str:
    return "|".join(kind.replace(".", r"\.") for kind in kinds)


def _kind(kinds: tuple[str, ...]) -> pl.Expr:
    line, named = pl.col("line"), rf'"(?:kind|type)"\s*:\s*"(?:{_one_of(kinds)})"'
    holding = pl.when(line.str.contains(apart(named))).then(line)  # few do, and where it stands is slow to find out
    own = holding.str.contains(rf"{OWN}{named}|{named}\s*\}}\s*$").fill_null(value=False)
    return own & line.str.contains(r'"run_id"\s*:')


_NO_REJECTS = pl.DataFrame(schema=REJECTED)
_USED = pl.col("line").str.contains(r'"usage"\s*:\s*\{\s*"')
_STREAMED = _kind(("session.update",)) & pl.col("line").str.contains(r'"turn"\s*:')

FORMAT = Format(
    name="compozy",
    title="compozy v0.2: events.jsonl of a run, and the stream of --format json",
    json=True,
    claims=_kind((*_TELLING, *_MARKERS)) | ((_kind(("usage.updated",)) | _STREAMED) & _USED),
    parse=_parse,
    sets_context=_kind(_TELLING),
    hints=('"run_id"',),
)
