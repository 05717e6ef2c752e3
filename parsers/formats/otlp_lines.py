"""OpenTelemetry written by an exporter to a file: a span or log record a line, its attributes as one object.

    {"type":"span","traceId":"…","spanId":"…","name":"chat gpt-5.4","startTime":[1775934261,967000000],
     "endTime":[1775934264,967000000],"attributes":{"gen_ai.operation.name":"chat","gen_ai.usage.input_tokens":900,…}}

Copilot CLI writes so (`COPILOT_OTEL_FILE_EXPORTER_PATH`), and what else has the JavaScript SDK's own shape. The names
of attributes are in `otlp_names`. Times are seconds and nanoseconds. By the conventions input includes what was read
from and written to the cache, output the reasoning. Only calls count: spans of agents and tools, and log records of an
agent's turn, repeat what the calls below them count. `dedupe_key` is that of the same span in OTLP.
"""

import polars as pl

from parsers.blocks.format import apart
from parsers.formats.otlp_names import ATTRIBUTES, NOT_CALLS
from parsers.rows.calls import FIELDS, Meaning
from parsers.rows.json_shape import Shape, json_format
from parsers.rows.token_counts import COUNTS

_LINE = pl.col("line")
_TURN = ("copilot_chat.agent.turn",)
_KEPT = ("operation", "event", "service", "prompt_id", "time_to_first_token_s")
_NAMES = {
    **{name: keys for name, keys in ATTRIBUTES.items() if name in FIELDS or name in _KEPT},
    "session_id": (*ATTRIBUTES["session_id"], "copilot_chat.session_id", "copilot_chat.chat_session_id"),
}


def _pair(key: str) -> pl.Expr:
    """Return `[seconds, nanoseconds]` under *key* as one number of nanoseconds."""
    pattern = rf'"{key}"\s*:\s*\[\s*(\d+)\s*,\s*(\d+)\s*\]'
    nanoseconds = _LINE.str.extract(pattern, 2).str.zfill(9)
    return _LINE.str.extract(pattern, 1) + nanoseconds


_span = pl.lit("otlp:") + pl.col("trace_id") + pl.lit(":") + pl.col("span_id")
_counted = pl.any_horizontal(pl.col(name).is_not_null() for name in COUNTS if name in _NAMES)
_summed = pl.col("operation").str.to_lowercase().is_in(NOT_CALLS) | pl.col("event").is_in(_TURN)
_named = pl.col("span_name").str.extract(r"^(\w+) ", 1).is_in(NOT_CALLS)

_SHAPE = Shape(
    paths={
        **{name: tuple(f'attributes."{key}"' for key in keys) for name, keys in _NAMES.items()},
        "created_at": ("endTime", "time", "timestamp", "hrTime"),
        "started_at": ("startTime",),
        "trace_id": ("traceId", "spanContext.traceId"),
        "span_id": ("spanId", "spanContext.spanId"),
        "span_name": ("name",),
        "status": ("status.code",),
        "service": ('resource.attributes."service.name"', 'attributes."service.name"'),
    },
    passed_over=("type", "kind"),
    meaning=Meaning(name="otel-lines", failed="^(?i:2|error|status_code_error)$"),
    derived={
        "created_at": pl.coalesce(_pair("endTime"), "created_at", _pair("hrTime"), _pair("time")),
        "started_at": pl.coalesce(_pair("startTime"), "started_at"),
        "task": pl.col("operation"),
        "dedupe_key": pl.coalesce(_span, pl.lit("otlp:") + pl.col("request_id")),
    },
    counts=_counted & ~(_summed.fill_null(value=False) | _named.fill_null(value=False)),
    internal=("trace_id", "span_id", "span_name", "operation", "event"),
)

FORMAT = json_format(
    "OpenTelemetry spans, one a line",
    _SHAPE,
    claims=_LINE.str.contains(r'"attributes"\s*:\s*\{')
    & _LINE.str.contains(r'"gen_ai\.usage\.')
    & _LINE.str.contains(apart(r'"(?:spanId|traceId|endTime|spanContext|hrTime)"\s*:')),
    hints=('"gen_ai.usage.',),
)
