"""OpenTelemetry in OTLP-JSON: spans (`otlp/span`) and log records (`otlp/log`, `otlp/claude-code`), many in one line.

    {"resourceSpans":[{"resource":{"attributes":[…]},"scopeSpans":[{"spans":[{"traceId":"…","spanId":"…",
     "startTimeUnixNano":"1750000000000000000","endTimeUnixNano":"…","status":{"code":2},
     "attributes":[{"key":"gen_ai.usage.input_tokens","value":{"intValue":"900"}},…]}]}]}]}
    {"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"…","body":{"stringValue":"claude_code.api_request"},
     "attributes":[…]}]}]}]}

The names of attributes, new and old, are in `otel_names`; the resource's hold where the span has none. A span ends when
its call finished, and covers its retries; a log record is written then. Prompts include the cache by convention. Claude
Code's own events leave it out; its errors and exhausted retries become events, `api_error` and `api_retries_exhausted`.

Only calls count: spans of agents, chains and tools, which sum up the calls below them, are passed over, as are spans
without tokens. Attributes that mean nothing here, such as the team that a resource names, are kept in the metadata as
far as `privacy` lets them pass. All rows of a line have its offset; `dedupe_key`, `otlp:<trace>:<span>`, tells them
apart, and is the same for a span and the log record written inside it.
"""

from dataclasses import replace

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.blocks.lines import RECORDS
from parsers.formats.otlp_names import ATTRIBUTES, NOT_CALLS
from parsers.jsonl.decode import decode
from parsers.jsonl.unknown_fields import LEFTOVERS
from parsers.rows.calls import Meaning, calls
from parsers.rows.token_counts import COUNTS
from parsers.rows.usage_objects import FAMILIES, keys_of
from parsers.values.lenient import duration_ms, time
from parsers.values.privacy import Rule, is_name, keeps, rule_of
from parsers.values.typed import json_text, metadata

_Fields = dict[str, pl.DataType | type[pl.DataType]]

_SCALARS = ("stringValue", "intValue", "doubleValue", "boolValue")
_VALUE = pl.Struct(
    {
        **dict.fromkeys(_SCALARS, pl.String),
        "arrayValue": pl.Struct({"values": pl.List(pl.Struct({"stringValue": pl.String}))}),
    }
)
_ATTRIBUTES = pl.List(pl.Struct({"key": pl.String, "value": _VALUE}))
_RESOURCE = pl.Struct({"attributes": _ATTRIBUTES})
_SPAN: _Fields = {
    "traceId": pl.String,
    "spanId": pl.String,
    "startTimeUnixNano": pl.String,
    "endTimeUnixNano": pl.String,
    "attributes": _ATTRIBUTES,
    "status": pl.Struct({"code": pl.String, "message": pl.String}),
}
_LOG: _Fields = {
    "traceId": pl.String,
    "spanId": pl.String,
    "timeUnixNano": pl.String,
    "observedTimeUnixNano": pl.String,
    "eventName": pl.String,
    "body": pl.Struct({"stringValue": pl.String}),
    "attributes": _ATTRIBUTES,
}


def _scopes(name: str, item: _Fields) -> pl.List:
    return pl.List(pl.Struct({name: pl.List(pl.Struct(item))}))


_DTYPE = pl.Struct(
    {
        "resourceSpans": pl.List(pl.Struct({"resource": _RESOURCE, "scopeSpans": _scopes("spans", _SPAN)})),
        "resourceLogs": pl.List(pl.Struct({"resource": _RESOURCE, "scopeLogs": _scopes("logRecords", _LOG)})),
    }
)
_PASSED_OVER = ("telemetry.", "process.", "event.sequence")
"""How the keys begin of attributes that are the same on every span of a process, or say nothing of a call."""

_EXTRA = ("service", "prompt_id", "time_to_first_token_s")
_SPANS = Meaning(name="otlp", metadata=_EXTRA)
_CLAUDE = replace(_SPANS, request_includes_cache=False, constants={"provider": "anthropic", "variant": "claude-code"})
_OF_PROVIDERS = {
    column: tuple(f"{before}{key}" for before in ("gen_ai.usage.", "llm.usage.") for key in keys)
    for column, keys in keys_of(FAMILIES).items()
}
"""Counts that an instrument passes on as the provider names them."""

_PLACES = pl.DataFrame(
    [
        (key, name, rank)
        for name in dict.fromkeys((*ATTRIBUTES, *_OF_PROVIDERS))
        for rank, key in enumerate(dict.fromkeys((*ATTRIBUTES.get(name, ()), *_OF_PROVIDERS.get(name, ()))))
    ],
    schema={"key": pl.String, "field": pl.String, "rank": pl.Int32},
    orient="row",
)

_NAMES = _PLACES["field"].unique(maintain_order=True).to_list()


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    del context
    decoded, rejects = decode(records, _DTYPE)
    spans = _fields(_items(decoded, "resourceSpans", "scopeSpans", "spans"))
    logs = _fields(_items(decoded, "resourceLogs", "scopeLogs", "logRecords"))
    spans = spans.with_columns(
        variant=pl.lit("span"),
        created_at="endTimeUnixNano",
        started_at="startTimeUnixNano",
        status=pl.when(pl.col("status").struct.field("code").str.contains("2|ERROR")).then(pl.lit("error")),
        error=pl.coalesce("error", pl.col("status").struct.field("message")),
    ).drop("latency")
    event = pl.coalesce("event", "eventName", pl.col("body").struct.field("stringValue")).fill_null("")
    logs = logs.with_columns(
        variant=pl.lit("log"),
        event=event.str.strip_prefix("claude_code."),
        created_at=pl.coalesce("event_time", "timeUnixNano", "observedTimeUnixNano"),
    )
    claude = logs.filter(pl.col("event") == "api_request")
    failures = logs.filter(pl.col("event").is_in(["api_error", "api_retries_exhausted"]))
    others = logs.filter(~pl.col("event").is_in(["api_request", "api_error", "api_retries_exhausted"]))
    found = [(_counted(spans), _SPANS), (_counted(others), _SPANS), (_keyed(claude).drop("variant"), _CLAUDE)]
    parts = [calls(some, meaning) for some, meaning in found if not some.is_empty()] or [calls(*found[0])]
    return Parsed(
        calls=pl.concat([part.calls for part in parts], how="diagonal").sort("source_offset", maintain_order=True),
        events=_events(failures),
        rejects=pl.concat([rejects, *(part.rejects for part in parts)]),
    )


def _items(decoded: pl.DataFrame, resources: str, scopes: str, items: str) -> pl.DataFrame:
    """Return one row for each span or log record, with its own attributes and those `shared` by its resource.

    What a list was in is left behind before it is exploded, which would copy it for each item.
    """
    record, resource, scope = pl.col("record").struct, pl.col("resource").struct, pl.col("scope").struct
    lists = decoded.select(*RECORDS, resource=record.field(resources)).explode("resource").drop_nulls("resource")
    shared = resource.field("resource").struct.field("attributes")
    lists = lists.select(*RECORDS, shared=shared, scope=resource.field(scopes)).explode("scope").drop_nulls("scope")
    lists = lists.select(*RECORDS, "shared", item=scope.field(items)).explode("item").drop_nulls("item")
    return lists.select(*RECORDS, "shared", pl.col("item").struct.unnest()).with_row_index("item")


def _fields(items: pl.DataFrame) -> pl.DataFrame:
    """Return *items* with their attributes as columns of text, named as in `otel_names`; their own count first."""
    pairs = pl.concat([_pairs(items, "attributes", own=True), _pairs(items, "shared", own=False)])
    named = pairs.join(_PLACES, on="key", maintain_order="left").drop_nulls("value")
    ranked = named.sort("rank", ~pl.col("own"), maintain_order=True)
    there = ranked["field"].unique().to_list()
    wide = ranked.pivot(on="field", on_columns=there, index="item", values="value", aggregate_function="first")
    absent = pl.lit(None, dtype=pl.String)
    wide = wide.select("item", *(name if name in there else absent.alias(name) for name in _NAMES))
    others = _others(pairs.join(_PLACES, on="key", how="anti", maintain_order="left"))
    wide = items.drop("attributes", "shared").join(wide, on="item", how="left", maintain_order="left")
    return wide.join(others, on="item", how="left", maintain_order="left")


def _pairs(items: pl.DataFrame, column: str, *, own: bool) -> pl.DataFrame:
    """Return the attributes in a *column* of *items*, one a row: those of each item's *own*, or of its resource."""
    pairs = items.select("item", attribute=column).explode("attribute").drop_nulls("attribute")
    value = pl.col("attribute").struct.field("value").struct
    return pairs.select(
        "item",
        key=pl.col("attribute").struct.field("key"),
        value=pl.coalesce(value.field(name) for name in _SCALARS),
        texts=value.field("arrayValue").struct.field("values").list.eval(pl.element().struct.field("stringValue")),
        is_text=value.field("stringValue").is_not_null(),
        own=pl.lit(value=own),
    )


def _others(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return, for each item, those of the attributes *pairs* that may be kept, as one JSON object in `LEFTOVERS`."""
    rules = {key: _rule(key) for key in pairs["key"].drop_nulls().unique().to_list()}
    pairs = pairs.unique(["item", "key"], keep="first", maintain_order=True).sort("item", "key")
    written = [
        _written(pairs.filter(pl.col("key").is_in([key for key, its in rules.items() if its is rule])), rule)
        for rule in Rule
        if rule in rules.values()
    ]
    if not written:
        return pl.DataFrame(schema={"item": pairs.schema["item"], LEFTOVERS: pl.String})
    objects = pl.concat(written).sort("item", "key").group_by("item", maintain_order=True).agg(pl.col("field"))
    return objects.select("item", (pl.lit("{") + pl.col("field").list.join(",") + pl.lit("}")).alias(LEFTOVERS))


def _rule(key: str) -> Rule | None:
    """Return what may be kept under the attribute *key*; what a part of it says holds for all that is below.

    None: nothing is.
    """
    if key.startswith(_PASSED_OVER) or not is_name(key):
        return None
    rule = Rule.WORD
    for part in key.split("."):
        rule = rule_of(part, rule)
    return max(rule, rule_of(key), key=(Rule.WORD, Rule.LABEL, Rule.TAGS, Rule.NEVER).index)


def _written(pairs: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Return each of *pairs*, whose keys are of one *rule*, as a `field` of a JSON object."""
    texts = pl.col("texts").list.eval(pl.element().filter(keeps(pl.element(), rule)))
    plain = ~pl.col("is_text") & pl.col("value").str.contains(_PLAIN)
    value = pl.coalesce(
        pl.when(keeps(pl.col("value"), rule)).then(
            pl.when(plain).then(pl.col("value")).otherwise(json_text(pl.col("value")))
        ),
        pl.when(texts.list.len() > 0).then(json_text(texts)),
    )
    field = json_text(pl.col("key")) + pl.lit(":") + value
    return pairs.select("item", "key", field=field).drop_nulls("field")


_PLAIN = r"^(?:true|false|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$"
"""Numbers and booleans as JSON writes them: a float may be `NaN`."""


def _counted(items: pl.DataFrame) -> pl.DataFrame:
    """Return the *items* that are calls."""
    some = pl.any_horizontal(pl.col(name).is_not_null() for name in COUNTS)
    operation = pl.col("operation").str.to_lowercase().fill_null("")
    failed = pl.col("error").is_not_null() & pl.col("model").is_not_null()
    return _keyed(items.filter((some | failed) & ~operation.is_in(NOT_CALLS)))


def _keyed(items: pl.DataFrame) -> pl.DataFrame:
    span = pl.lit("otlp:") + pl.col("traceId") + pl.lit(":") + pl.col("spanId")
    has_span = (pl.col("traceId").str.len_bytes() > 0) & (pl.col("spanId").str.len_bytes() > 0)
    return items.with_columns(
        dedupe_key=pl.coalesce(pl.when(has_span).then(span), pl.lit("otlp:") + pl.col("request_id")),
        task=pl.col("operation"),
    )


def _events(failures: pl.DataFrame) -> pl.DataFrame:
    return failures.select(
        "source_offset",
        "session_id",
        "model",
        created_at=time(pl.col("created_at")),
        kind=pl.col("event"),
        attempt=pl.col("attempt").cast(pl.Int32, strict=False),
        wait_ms=duration_ms(pl.col("waited")),
        reason=pl.col("error"),
        metadata=metadata({"status_code": pl.col("status_code"), "duration_ms": pl.col("latency")}),
        format=pl.lit("otlp/claude-code"),
    )


FORMAT = Format(
    name="otlp",
    title="OpenTelemetry spans and logs in OTLP-JSON, Claude Code's among them",
    json=True,
    claims=pl.col("line").str.contains(r'^\s*\{\s*"resource(?:Spans|Logs)"\s*:')
    & pl.col("line").str.contains(
        r'okens"|oken_count|"error\.type"|"(?:claude_code\.)?api_(?:error|retries_exhausted)"'
    ),
    parse=_parse,
    hints=('"resourceSpans"', '"resourceLogs"'),
)
