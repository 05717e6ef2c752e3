"""Responses of model APIs in JSON lines: the body alone, or in an envelope that an application or a batch wrote.

| variant | told by | finished at | identifier |
| --- | --- | --- | --- |
| `openai-chat` (OpenRouter, Azure, vLLM …) | `"object":"chat.completion"` | envelope, else `created` | `id` |
| `openai-responses` | `"object":"response"` | envelope, else `completed_at`, `created_at` | `id` |
| `openai-embeddings` | `"object":"list"` of `"object":"embedding"` | envelope | that of the envelope |
| `anthropic` | `"type":"message"` and `input_tokens` | envelope | `id` |
| `gemini` | `usageMetadata` | envelope, else `createTime` | `responseId` |
| `bedrock` | `inputTokens` and `stopReason` or `latencyMs` | envelope | `ResponseMetadata.RequestId` |

The body is looked for at the top and under `response`, `response.body` (OpenAI batches), `body`, `data`, `result`,
`result.message` (Anthropic batches). What surrounds it may give the time (`timestamp`, `ts`, `time`, `@timestamp`), the
latency and the session. Which of a provider's counts include which is known to `usage`. `created` is when the response
began: it stands for the finish only where nothing else does.

A response of OpenAI's that failed often has no usage: it is a failed call without counts.

A response that is logged twice, or by a gateway too, is one call: `dedupe_key` is `<variant>:<id>`, and for chat the
time of creation too unless the id is a long one: servers such as Ollama number theirs from a few hundred.

Inferences that a response of Anthropic's lists beside its own are calls too (see `iterations`), with that key and their
number in the list.
"""

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.blocks.lines import RECORDS
from parsers.jsonl.decode import decode
from parsers.jsonl.fields import elsewhere
from parsers.jsonl.unknown_fields import LEFTOVERS
from parsers.rows.anthropic_iterations import beside
from parsers.rows.calls import Meaning, calls
from parsers.rows.json_shape import HINTS
from parsers.rows.token_counts import COUNTS
from parsers.rows.usage_objects import UNIQUE, USAGE_DTYPE, cost, details, unfold
from parsers.values.typed import known

_TEXTS = ("id", "responseId", "model", "modelVersion", "modelId", "created", "created_at", "completed_at", "createTime")
_BODY: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys((*_TEXTS, "user", "provider", "status", "error", "service_tier", "temperature"), pl.String),
    "max_output_tokens": pl.String,
    "metrics": pl.Struct({"latencyMs": pl.String}),
    "ResponseMetadata": pl.Struct({"RequestId": pl.String}),
    "usage": USAGE_DTYPE,
    "usageMetadata": USAGE_DTYPE,
}
_SAME = ("object", "type", "role")
"""Keys of a body that say only what it is."""

_AROUND = {
    "around_time": ("timestamp", "ts", "time", "@timestamp", "datetime"),
    "around_model": ("modelId", "model", "model_name"),
    "around_provider": ("provider",),
    "latency": ("latency_ms", "duration_ms", "elapsed_ms"),
    "session_id": ("session_id", "sessionId", "conversation_id", "trace_id", "traceId"),
    "user_id": ("user_id", "userId"),
    "agent_id": ("agent", "agent_id"),
    "around_request": ("request_id", "requestId", "custom_id"),
}
_AROUND_KEYS = sorted({key for keys in _AROUND.values() for key in keys})
_PLACES: tuple[tuple[str, ...], ...] = (
    ("response", "body"),
    ("result", "message"),
    ("response",),
    ("body",),
    ("data",),
    ("result",),
    (),
)
"""Where the body is looked for, the deepest place first."""

_KEYS = ("response", "body", "message", "data", "result", "error")
"""Keys that hold an object in some records and text in others: records are decoded apart by whether they do."""

_ERROR = pl.Struct(dict.fromkeys(("message", "type", "code", "status"), pl.String))

_LINE = pl.col("line")
# A regex for one literal is searched for five times as fast as one for two that begin alike.
_VARIANTS = {
    "openai-chat": _LINE.str.contains(r'"object"\s*:\s*"(?:chat\.completion|text_completion)'),
    "openai-responses": _LINE.str.contains(r'"object"\s*:\s*"response"'),
    "openai-embeddings": _LINE.str.contains(r'"object"\s*:\s*"list"')
    & (_LINE.str.contains(r'"object"\s*:\s*"embedding"') | _LINE.str.contains(r'"data"\s*:\s*\[\s*\]')),
    "gemini": _LINE.str.contains(r'"usageMetadata"\s*:\s*\{'),
    "bedrock": (_LINE.str.contains(r'"stopReason"\s*:') | _LINE.str.contains(r'"latencyMs"\s*:'))
    & _LINE.str.contains(r'"inputTokens"\s*:'),
    "anthropic": _LINE.str.contains(r'"type"\s*:\s*"message"') & _LINE.str.contains(r'"input_tokens"\s*:'),
}
_EMBEDDING = r'\{[^{}\[\]]*"embedding"\s*:\s*(?:\[[^\]]*\]|"[^"]*")[^{}\[\]]*\}'
"""A vector: numbers that nobody wants in the metadata."""

_FAILED = _LINE.str.contains(r'"status"\s*:\s*"failed"') & _VARIANTS["openai-responses"]
_NAME = "responses"
_MEANING = Meaning(
    name=_NAME,
    failed=r"^(?:failed|cancelled)$",
    metadata=("service_tier", "web_search_requests"),
)


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    del context
    parts, refused = [], []
    flags = records.select(_LINE.str.contains(rf'"{key}"\s*:\s*\{{').alias(key) for key in _KEYS)
    marked = pl.concat([records, flags], how="horizontal")
    for held, part in marked.partition_by(_KEYS, as_dict=True).items():
        keys = {key for key, here in zip(_KEYS, held, strict=True) if here}
        places = [place for place in _PLACES if set(place) <= keys]
        decoded, rejects = decode(part.select(*RECORDS), _dtype(places, _ERROR if "error" in keys else pl.String))
        refused.append(rejects)
        shortened = _LINE.str.replace_all(_EMBEDDING, "null")
        decoded = decoded.with_columns(elsewhere(decoded.with_columns(shortened)).alias(LEFTOVERS))
        for place, rows in _by_place(decoded, places):
            parts.append(calls(_with_others(_fields(rows, place), (place,)), _MEANING))
    if not parts:
        return Parsed(pl.DataFrame(schema={"source_offset": pl.Int64}), pl.DataFrame(), pl.concat(refused))
    return Parsed(
        calls=pl.concat([part.calls for part in parts], how="diagonal").sort("source_offset", maintain_order=True),
        events=parts[0].events,
        rejects=pl.concat([*refused, *(part.rejects for part in parts)]),
    )


def _dtype(places: list[tuple[str, ...]], error: pl.DataType | type[pl.DataType]) -> pl.Struct:
    def nested(above: tuple[str, ...]) -> dict[str, pl.DataType | type[pl.DataType]]:
        fields = {**_BODY, **dict.fromkeys(_SAME, pl.String), "error": error} if above in places else {}
        below = {place[len(above)] for place in places if len(place) > len(above) and place[: len(above)] == above}
        return fields | {key: pl.Struct(nested((*above, key))) for key in below}

    return pl.Struct({**dict.fromkeys(_AROUND_KEYS, pl.String), **nested(())})


def _by_place(decoded: pl.DataFrame, places: list[tuple[str, ...]]) -> list[tuple[tuple[str, ...], pl.DataFrame]]:
    """Split *decoded* records by the first place that holds usage, else a model (of a failure); else the top."""
    if decoded.is_empty():
        return []
    held = [
        pl.when(pl.any_horizontal(_at(place).struct.field(key).is_not_null() for key in keys)).then(pl.lit(i))
        for keys in (("usage", "usageMetadata"), ("model",))
        for i, place in enumerate(places)
    ]
    first = decoded.select(pl.coalesce(*held, pl.lit(places.index(())))).to_series()
    return [(places[i], decoded.filter(first == i)) for i in first.unique().to_list()]


def _at(place: tuple[str, ...]) -> pl.Expr:
    body = pl.col("record")
    for key in place:
        body = body.struct.field(key)
    return body


_CUSTOM = _LINE.str.contains('"custom_id"', literal=True)
_BATCHED = {
    ("response", "body"): _CUSTOM & _LINE.str.contains('"status_code"', literal=True),
    ("result", "message"): _CUSTOM,
    ("response",): _LINE.str.contains(r'^\s*\{\s*"key"\s*:\s*"[^"]*"\s*,\s*"response"'),
}
"""What tells an item of a batch, by where its body is: OpenAI's, Anthropic's, Gemini's. Others have a `custom_id`."""


def _fields(decoded: pl.DataFrame, place: tuple[str, ...]) -> pl.DataFrame:
    """Return the fields of each record, whose body is at *place*."""
    variant = pl.coalesce(pl.when(test).then(pl.lit(name)) for name, test in _VARIANTS.items())
    top = body = decoded["record"].struct.unnest()  # by expressions, Polars would look at the whole type for each field
    for key in place:
        body = body[key].struct.unnest()
    around = top.select(pl.coalesce(known(pl.col(key)) for key in keys).alias(name) for name, keys in _AROUND.items())
    flat = pl.concat(
        [decoded.select(*RECORDS, LEFTOVERS, variant=variant), around, body.select(*_BODY)], how="horizontal"
    )
    if isinstance(flat.schema["error"], pl.Struct):
        error = pl.col("error").struct
        flat = flat.with_columns(
            error=pl.coalesce(error.field("message"), error.field("status"), error.field("code")),
            error_type=pl.coalesce(error.field("type"), error.field("code"), error.field("status")),
        )
    both = [name for name in ("usage", "usageMetadata") if flat[name].null_count() < len(flat)]
    flat = flat.with_columns(used=pl.coalesce(both or ["usage"])).drop("usage", "usageMetadata")
    usage = pl.col("used")
    told = {name: value.cast(pl.String) for name, value in details(usage).items() if name in _MEANING.metadata}
    # Anthropic names the tier in the usage, OpenAI beside it; of an item of a batch both say `default`.
    batched = pl.when(_BATCHED.get(place, pl.lit(value=False))).then(pl.lit("batch"))
    told["service_tier"] = pl.coalesce(batched, told["service_tier"], "service_tier")
    counted = unfold(flat.with_columns(**told, cost=cost(usage).cast(pl.String), **_named()), "used")
    return counted.with_columns(pl.col(name).cast(pl.String) for name in COUNTS if name in counted.columns).drop("used")


def _with_others(fields: pl.DataFrame, places: tuple[tuple[str, ...], ...]) -> pl.DataFrame:
    """Add the calls that responses of Anthropic's list beside themselves."""
    others = beside(fields.filter(pl.col("variant") == "anthropic"), places)
    if others.is_empty():
        return fields
    others = others.with_columns(
        cache_inside=pl.lit(value=False),
        dedupe_key=pl.concat_str("dedupe_key", "number", separator=":"),
    )
    others = others.drop("web_search_requests", "latency")
    return pl.concat([fields, others], how="diagonal").sort("source_offset", maintain_order=True)


def _named() -> dict[str, pl.Expr]:
    created = pl.coalesce("completed_at", "created", "created_at", "createTime")
    name = pl.coalesce("id", "responseId", pl.col("ResponseMetadata").struct.field("RequestId"))
    created_if = pl.when(~pl.col("id").str.contains(UNIQUE["openai-chat"])).then("created")
    chat = pl.concat_str("variant", "id", created_if, separator=":", ignore_nulls=True)
    return {
        "created_at": pl.coalesce("around_time", created),
        "model": pl.coalesce("model", "modelVersion", "modelId", "around_model"),
        "provider": pl.when(pl.col("variant").is_in(["anthropic", "gemini", "bedrock"]))
        .then(pl.col("variant").replace({"gemini": "google"}))
        .otherwise(pl.coalesce("provider", "around_provider").str.to_lowercase()),
        "latency": pl.coalesce(pl.col("metrics").struct.field("latencyMs"), "latency"),
        "request_id": pl.coalesce(name, "around_request"),
        "user_id": pl.coalesce("user", "user_id"),
        "max_tokens": pl.col("max_output_tokens"),
        "dedupe_key": pl.when(pl.col("variant") == "openai-chat")
        .then(pl.when(pl.col("id").is_not_null()).then(chat))
        .otherwise(pl.col("variant") + pl.lit(":") + name),
    }


FORMAT = Format(
    name=_NAME,
    title="responses of OpenAI, OpenRouter, Anthropic, Gemini and Bedrock APIs",
    json=True,
    claims=(_LINE.str.contains(r'"usage(?:Metadata)?"\s*:\s*\{') | _FAILED)
    & pl.any_horizontal(_VARIANTS.values())
    & ~_LINE.str.contains(r'"type"\s*:\s*"(?:assistant|message_start)"')  # a session of Claude Code, a stream
    & ~_LINE.str.contains('"ModelInvocationLog"', literal=True)  # logs of a provider's own
    & ~_LINE.str.contains('"full_response"', literal=True),
    parse=_parse,
    hints=HINTS,
    rank=1,
)
