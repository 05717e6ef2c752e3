"""Sessions of the coding agents pi and OpenClaw: JSON lines, of which messages of the assistant hold usage.

    {"type":"session","version":3,"id":"…","timestamp":"…","cwd":"…"}
    {"type":"model_change","provider":"openai","modelId":"gpt-5.4","timestamp":"…"}
    {"type":"message","id":"…","timestamp":"2026-01-01T00:00:00.000Z","message":{"role":"assistant","provider":"…",
     "model":"…","usage":{"input":5,"output":40,"cacheRead":900,"cacheWrite":20,"cost":{"total":0.01}},"stopReason":"stop"}}

`input` leaves the cache out; the prompt is the sum. The time is when the message was written. The first line names the
session and its folder; a message that names no model is of the model that the latest `model_change`, `model-snapshot`
(in `data`) or the session's line names. Resumed sessions may copy messages: the message's id and time are the
`dedupe_key`, since ids are short. Messages that OpenClaw's gateway wrote itself are no calls.

Since 2026.8 OpenClaw has its sessions in `openclaw-agent.sqlite`: `event_json` of a row of `transcript_events` is what
was a line of the file, and a message that is in both, after the move, is one call.
"""

from dataclasses import replace

import polars as pl

from parsers.blocks.format import Context, Format, Known, Parsed, alone, apart
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, made, read
from parsers.rows.typed_tables import Columns, typed

_LINE = pl.col("line")
_OWN_MODELS = ("delivery-mirror", "gateway-injected")

_SHAPE = Shape(
    paths={
        "created_at": ("timestamp", "message.timestamp"),
        "model": ("message.model",),
        "provider": ("message.provider",),
        "request_tokens": ("message.usage.input",),
        "cache_read_tokens": ("message.usage.cacheRead",),
        "cache_write_tokens": ("message.usage.cacheWrite",),
        "response_tokens": ("message.usage.output",),
        "cost": ("message.usage.cost.total",),
        "own_session": ("sessionId",),
        "request_id": ("id",),
        "status": ("message.stopReason",),
        "error": ("message.errorMessage",),
        "type": ("type",),
        "project": ("cwd",),
        "model_after": ("modelId", "data.modelId"),
        "provider_after": ("provider", "data.provider"),
    },
    passed_over=("parentId", "message.role", "message.usage.totalTokens", "version"),
    meaning=Meaning(
        name="pi",
        request_includes_cache=False,
        failed="^(?:error|aborted)$",
        requires=(("request_tokens", "response_tokens"),),
    ),
    derived={"dedupe_key": pl.concat_str(pl.lit("pi"), "request_id", "created_at", separator=":")},
    internal=("own_session", "type", "model_after", "provider_after"),
)
_CARRIED = ("session_id", "project", "model_after", "provider_after")


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    fields, rejects = read(records, _SHAPE)
    fields = fields.with_columns(session_id=pl.when(pl.col("type") == "session").then("request_id"))
    fields = fields.with_columns(
        pl.coalesce(pl.col(name).forward_fill(), pl.lit(context.get(name), dtype=pl.String)).alias(name)
        for name in _CARRIED
    )
    last = fields.tail(1)
    after = {name: last[name][0] for name in _CARRIED if len(last) and last[name][0]}
    return replace(_calls(fields, rejects), context={**context, **after})


def _calls(fields: pl.DataFrame, rejects: pl.DataFrame) -> Parsed:
    """Return the calls among *fields*, which have what earlier lines say of each."""
    told = pl.any_horizontal(pl.col(name).is_not_null() for name in ("request_tokens", "response_tokens", "error"))
    named = pl.col("model").is_not_null()
    called = fields.filter(told & ~pl.col("type").is_in(_CONTEXT_TYPES)).with_columns(
        session_id=pl.coalesce("own_session", "session_id"),
        model=pl.coalesce("model", "model_after"),
        provider=pl.coalesce("provider", pl.when(~named).then("provider_after")),
        **_SHAPE.derived,
    )
    ours = ~pl.col("model").is_in(_OWN_MODELS).fill_null(value=False)
    return made(called.filter(ours).drop(_SHAPE.internal), _SHAPE, rejects)


_CONTEXT_TYPES = ("session", "model_change", "custom")
_CONTEXT = (
    (_LINE.str.contains(r'"type"\s*:\s*"session"') & _LINE.str.contains(apart(r'"(?:cwd|version)"\s*:')))
    | (_LINE.str.contains(r'"type"\s*:\s*"model_change"') & _LINE.str.contains(r'"modelId"\s*:'))
    | _LINE.str.contains(r'"customType"\s*:\s*"model-snapshot"')
)
_MESSAGE = (
    _LINE.str.contains(r'"cacheRead"\s*:')
    & _LINE.str.contains(r'"message"\s*:\s*\{')
    & _LINE.str.contains(r'"role"\s*:\s*"assistant"')
)

FORMAT = Format(
    name="pi",
    title="pi and OpenClaw sessions",
    json=True,
    claims=_CONTEXT | _MESSAGE,
    parse=_parse,
    sets_context=_CONTEXT,
    hints=('"cacheRead"', '"session"', "model_change", "model-snapshot"),
)

COLUMNS: Columns = {
    "session_id": pl.String,
    "event_json": pl.String,
    "header": pl.String,
    "model_event": pl.String,
}
_NAMES_MODEL = "(like('%\"model_change\"%', m.event_json) or like('%\"model-snapshot\"%', m.event_json))"
_EVENTS = f"""(
    select
        e.rowid as rowid, e.session_id, e.event_json, e.created_at,
        'pi:' || json_extract(e.event_json, '$.id') || ':' ||
            coalesce(json_extract(e.event_json, '$.timestamp'), json_extract(e.event_json, '$.message.timestamp'))
            as message_key,
        (select h.event_json from transcript_events as h where h.session_id = e.session_id and h.seq < e.seq
            and like('%"type":"session"%', h.event_json) order by h.seq limit 1) as header,
        (select m.event_json from transcript_events as m where m.session_id = e.session_id and m.seq < e.seq
            and {_NAMES_MODEL} order by m.seq desc limit 1) as model_event
    from transcript_events as e
    where json_valid(e.event_json)
        and like('%"role":"assistant"%', e.event_json) and like('%"usage":%', e.event_json)
)"""  # noqa: S608 # no values in it


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the calls of *rows* of `transcript_events`, each with what the events before it say."""
    rows, rejects = typed(rows, COLUMNS, required=("event_json",))
    fields, unread = read(rows.select("source_offset", "source_end", line="event_json"), _SHAPE)
    header, model = pl.col("header"), pl.col("model_event")
    told = rows.select(
        "source_offset",
        "session_id",
        project=header.str.json_path_match("$.cwd"),
        **{
            f"{name}_after": pl.coalesce(
                model.str.json_path_match(f"$.{key}"),
                model.str.json_path_match(f"$.data.{key}"),
                header.str.json_path_match(f"$.{key}"),
            )
            for name, key in (("model", "modelId"), ("provider", "provider"))
        },
    )
    fields = fields.drop(*told.columns[1:], strict=False).join(
        told, on="source_offset", how="left", maintain_order="left"
    )
    return _calls(fields, pl.concat([rejects, unread]))


TABLE = Known(
    name="pi/transcript",
    tables=("transcript_events",),
    needs=("session_id", "seq", "event_json", "created_at"),
    reads=tuple(COLUMNS),
    key="seq",
    times=("created_at",),
    read=alone(calls_from_rows),
    query=_EVENTS,
    query_key="message_key",
)
