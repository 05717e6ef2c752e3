"""Azure API Management's log of calls to language models (`GatewayLlmLogs`), from a storage account or Log Analytics.

    {"time":"2026-01-01T00:00:01Z","category":"GatewayLlmLogs","correlationId":"…","properties":{"promptTokens":900,
     "completionTokens":40,"totalTokens":940,"modelName":"gpt-4o","deploymentName":"chat","requestId":"…",
     "sequenceNumber":0,"isStreamCompleted":true}}
    {"TimeGenerated":"…","CorrelationId":"…","PromptTokens":900,"CompletionTokens":40,"ModelName":"gpt-4o", …}

A call whose messages are logged too has more entries, with sequence numbers from 1 and no counts: no calls. The
prompt includes the cache. One call has one correlation identifier.
"""

import polars as pl

from parsers.blocks.format import apart
from parsers.rows.by_header import json_header
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format, top_names


def _places(name: str) -> tuple[str, ...]:
    return (f"properties.{name}", name[0].upper() + name[1:], name)


_SHAPE = Shape(
    paths={
        "created_at": ("time", "TimeGenerated", '"TimeGenerated [UTC]"'),
        "model": (*_places("modelName"), *_places("deploymentName")),
        "request_tokens": _places("promptTokens"),
        "response_tokens": _places("completionTokens"),
        "total_tokens": _places("totalTokens"),
        "request_id": (*_places("requestId"), *_places("correlationId")),
        "correlation_id": _places("correlationId"),
        "deployment": _places("deploymentName"),
        "region": ("location", *_places("region")),
        "sequence": _places("sequenceNumber"),
    },
    meaning=Meaning(name="azure-apim", constants={"provider": "azure"}),
    internal=("sequence",),
    derived={"dedupe_key": pl.lit("azure-apim:") + pl.coalesce("correlation_id", "request_id")},
    counts=(pl.col("sequence").fill_null("0") == "0") | pl.col("total_tokens").is_not_null(),
)

_LINE = pl.col("line")

FORMAT = json_format(
    "Azure API Management's log of calls to language models",
    _SHAPE,
    claims=_LINE.str.contains(apart(r'"[pP]romptTokens"\s*:'))
    & _LINE.str.contains(apart(r'"GatewayLlmLogs"|"[iI]sStreamCompleted"\s*:')),
    hints=('"GatewayLlmLogs"', 'sStreamCompleted"'),
)

HEADER = json_header(
    FORMAT,
    (
        ("PromptTokens", "promptTokens"),
        ("CorrelationId", "correlationId"),
        ("ModelName", "DeploymentName", "modelName"),
    ),
    reads=top_names(_SHAPE),
)
