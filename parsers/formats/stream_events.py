"""Saved streams: the events of Anthropic's API as JSON lines, and those of any of the four APIs as a dump of SSE.

    {"type":"message_start","message":{"id":"msg_…","model":"claude-…","usage":{"input_tokens":25,"output_tokens":1}}}
    {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":150}}
    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","model":"gpt-4o","choices":[],"usage":{…}}
    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","model":"llama-…","x_groq":{"usage":{…}}}
    data: {"type":"response.completed","response":{"id":"resp_…","model":"gpt-4o","usage":{…}}}
    data: {"responseId":"…","modelVersion":"gemini-2.5-flash","usageMetadata":{…}}

A message of Anthropic's is one call: its start has the identifier, the model and the input, its delta the final output,
which is a sum and no increment. A message that begins before the one before it has ended was cut off: a failed call
with what is known of it. Each chunk of Gemini's has the counts so far: the one that says why it finished counts. The
last chunk, or event, of OpenAI's has them all; those two as JSON lines are responses.
"""

from functools import partial

import polars as pl

from parsers.blocks.format import Context, Format, Parsed, apart
from parsers.blocks.lines import RECORDS
from parsers.jsonl.decode import decode
from parsers.rows.calls import Meaning, calls
from parsers.rows.usage_objects import UNIQUE, USAGE_DTYPE, cost, unfold

_NAMED = dict.fromkeys(("id", "model"), pl.String)
_EVENT = pl.Struct(
    {
        **_NAMED,
        **dict.fromkeys(("type", "created", "responseId", "modelVersion"), pl.String),
        "usage": USAGE_DTYPE,
        "usageMetadata": USAGE_DTYPE,
        "x_groq": pl.Struct({"usage": USAGE_DTYPE}),
        "message": pl.Struct({**_NAMED, "usage": USAGE_DTYPE}),
        "response": pl.Struct(
            {
                "error": pl.Struct(dict.fromkeys(("message", "code"), pl.String)),
                **_NAMED,
                **dict.fromkeys(("status", "created_at", "completed_at"), pl.String),
                "usage": USAGE_DTYPE,
            }
        ),
    }
)
_START, _DELTA = "message_start", "message_delta"
_OPEN = "open"
_BEFORE = -1
"""Where a message began whose start stands in an earlier block."""

_PLACES = {"source_offset": "first", "source_end": "first_end"}
_CUT = "the stream ended before the message did"
_MEANINGS = {name: Meaning(name=name, failed=r"^(?:failed|cancelled)$") for name in ("stream-events", "sse")}
_LINE = pl.col("line")


def _parse(name: str, prefix: str, records: pl.DataFrame, context: Context) -> Parsed:
    opened = pl.DataFrame({"line": context.get(_OPEN), "source_offset": _BEFORE, "source_end": _BEFORE}, schema=RECORDS)
    stripped = records.with_columns(_LINE.str.strip_prefix(prefix).str.strip_chars())
    events, rejects = decode(pl.concat([opened.drop_nulls(), stripped]), _EVENT)
    flat = events.select(*RECORDS, pl.col("record").struct.unnest())
    messages = _messages(flat.filter(pl.col("type").is_in([_START, _DELTA])))
    fields = pl.concat([messages.filter(~pl.col("open")).drop("open"), _answers(flat)], how="diagonal").filter(
        pl.col("source_offset") >= 0
    )
    counted = unfold(fields.sort("source_offset", maintain_order=True), "used").drop("used")
    counted = counted.with_columns(pl.col(pl.Int64).exclude("source_offset", "source_end").cast(pl.String))
    parsed = calls(counted, _MEANINGS[name])
    still = messages.filter(pl.col("open"))["line"]
    return Parsed(
        parsed.calls, parsed.events, pl.concat([rejects, parsed.rejects]), {_OPEN: still[0]} if len(still) else {}
    )


def _messages(events: pl.DataFrame) -> pl.DataFrame:
    """Return the fields of each message of Anthropic's, at its last delta; one that is still open has no end."""
    begins = pl.col("type") == _START
    numbered = events.with_columns(number=begins.cum_sum(), begun=pl.when(begins).then("message").forward_fill())
    last = numbered.with_columns(
        first=pl.col("source_offset").first().over("number"), first_end=pl.col("source_end").first().over("number")
    ).unique("number", keep="last", maintain_order=True)
    usage = _merged(pl.col("usage"), pl.col("begun").struct.field("usage"))
    ended = pl.col("type") == _DELTA
    is_last = pl.int_range(pl.len()) == pl.len() - 1
    cut = ~ended & ~is_last
    # What was cut off is known to be so only where the next one begins.
    at = {name: pl.when(cut).then(pl.col(of).shift(-1)).otherwise(name) for name, of in _PLACES.items()}
    message = pl.col("begun").struct
    return (
        last.with_columns(open=~ended & is_last, used=usage)
        .select(
            "line",
            "open",
            variant=pl.lit("anthropic"),
            provider=pl.lit("anthropic"),
            model=message.field("model"),
            request_id=message.field("id"),
            dedupe_key=pl.lit("anthropic:") + message.field("id"),
            error=pl.when(cut).then(pl.lit(_CUT)),
            **at,
            used="used",
        )
        .filter(pl.col("model").is_not_null() | ~pl.col("open"))
    )


def _merged(later: pl.Expr, earlier: pl.Expr) -> pl.Expr:
    """Return a usage object with what the *later* one says, else what the *earlier* one said."""
    names = [field.name for field in USAGE_DTYPE.fields]
    return pl.struct(pl.coalesce(later.struct.field(n), earlier.struct.field(n)).alias(n) for n in names)


def _answers(events: pl.DataFrame) -> pl.DataFrame:
    """Return the fields of each other response: one record of it has the final counts."""
    response = pl.col("response").struct
    others = events.filter(~pl.col("type").is_in([_START, _DELTA]).fill_null(value=False)).with_columns(
        used=pl.coalesce("usage", "usageMetadata", response.field("usage"), pl.col("x_groq").struct.field("usage")),
        name=pl.coalesce("responseId", "id", response.field("id")),
        variant=pl.when(pl.col("usageMetadata").is_not_null())
        .then(pl.lit("gemini"))
        .when(response.field("usage").is_not_null())
        .then(pl.lit("openai-responses"))
        .otherwise(pl.lit("openai-chat")),
    )
    counted = others.filter(
        pl.col("used").is_not_null(),
        (pl.col("variant") != "gemini") | _LINE.str.contains(r'"finishReason"\s*:\s*"'),
    )
    is_short = (pl.col("variant") == "openai-chat") & ~pl.col("name").str.contains(UNIQUE["openai-chat"])
    key = pl.concat_str("variant", "name", pl.when(is_short).then("created"), separator=":", ignore_nulls=True)
    return counted.select(
        *RECORDS,
        "variant",
        created_at=pl.coalesce(response.field("completed_at"), response.field("created_at"), "created"),
        model=pl.coalesce("model", "modelVersion", response.field("model")),
        request_id="name",
        dedupe_key=pl.when(pl.col("name").is_not_null()).then(key),
        status=response.field("status"),
        error=response.field("error").struct.field("message"),
        error_type=response.field("error").struct.field("code"),
        cost=cost(pl.col("used")).cast(pl.String),
        used="used",
    )


_OF_ANTHROPIC = _LINE.str.contains(r'"type"\s*:\s*"message_(?:start|delta)"') & _LINE.str.contains(
    r'"(?:input|output)_tokens"\s*:'
)
_OTHERS = _LINE.str.contains(apart(r'"usage"\s*:\s*\{|"usageMetadata"\s*:\s*\{'))
_SSE = r"^data:\s*\{"

FORMAT = (
    Format(
        name="stream-events",
        title="events of the streams of Anthropic's API, as JSON lines",
        json=True,
        claims=_OF_ANTHROPIC,
        parse=partial(_parse, "stream-events", ""),
        sets_context=_OF_ANTHROPIC,
        hints=('"message_start"', '"message_delta"'),
    ),
    Format(
        name="sse",
        title="saved streams of server-sent events of the APIs of OpenAI, Anthropic and Gemini",
        json=False,
        claims=_LINE.str.contains(_SSE) & (_OF_ANTHROPIC | _OTHERS),
        parse=partial(_parse, "sse", "data:"),
        sets_context=_LINE.str.contains(_SSE) & _OF_ANTHROPIC,
        hints=('"usage"', '"usageMetadata"'),
    ),
)
