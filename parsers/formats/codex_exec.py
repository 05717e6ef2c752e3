"""What `codex exec --json` prints: one thread, whose turns tell what it has used by then.

    {"type":"thread.started","thread_id":"…"}
    {"type":"turn.completed","usage":{"input_tokens":24763,"cached_input_tokens":24448,"output_tokens":122}}

Cached input is part of the input, reasoning of the output. The usage is the thread's running total, not the turn's, and
a thread that is resumed, in another file, tells what it told before as well. So all turns of a thread are one sum,
`codex/sum`: they carry one `dedupe_key`, `codex:sum:<thread>`, and the views take the largest counts. Neither model nor
time is told, nor how many requests it were. Where the thread's rollout is there as well, its calls count, not the sum.
Turns that failed tell no usage; they are events, `turn_failed`, without the text of the error.
"""

from dataclasses import replace

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, made, read
from parsers.schema import SESSION

_LINE = pl.col("line")

_SHAPE = Shape(
    paths={
        "type": ("type",),
        "session_id": ("thread_id",),
        "request_tokens": ("usage.input_tokens",),
        "cache_read_tokens": ("usage.cached_input_tokens",),
        "cache_write_tokens": ("usage.cache_write_input_tokens",),
        "response_tokens": ("usage.output_tokens",),
        "reasoning_tokens": ("usage.reasoning_output_tokens",),
    },
    meaning=Meaning(
        name="codex",
        requires=(("request_tokens", "response_tokens"),),
        constants={"variant": "sum", "task": SESSION, "provider": "openai"},
    ),
    derived={
        "requests": pl.lit(None, dtype=pl.String),
        "dedupe_key": pl.lit("codex:sum:") + pl.col("session_id"),
    },
    internal=("type",),
)


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    fields, rejects = read(records, _SHAPE)
    before = pl.lit(context.get("session_id"), dtype=pl.String)
    fields = fields.with_columns(session_id=pl.coalesce(pl.col("session_id").forward_fill(), before))
    done = fields.filter(pl.col("type") == "turn.completed")
    parsed = made(done.with_columns(**_SHAPE.derived).drop(_SHAPE.internal), _SHAPE, rejects)
    failed = fields.filter(pl.col("type") == "turn.failed").select(
        "source_offset", "session_id", kind=pl.lit("turn_failed"), format=pl.lit("codex/sum")
    )
    last = fields["session_id"].tail(1).drop_nulls().to_list()
    return replace(parsed, events=failed, context={"session_id": last[0]} if last else {})


_THREAD = _LINE.str.contains(r'"type"\s*:\s*"thread\.started"')

FORMAT = Format(
    name="codex-exec",
    title="Codex' headless output",
    json=True,
    claims=_THREAD
    | (_LINE.str.contains(r'"type"\s*:\s*"turn\.completed"') & _LINE.str.contains(r'"usage"\s*:\s*\{'))
    | _LINE.str.contains(r'"type"\s*:\s*"turn\.failed"'),
    parse=_parse,
    sets_context=_THREAD,
    hints=("thread.started", "turn.completed", "turn.failed"),
)
