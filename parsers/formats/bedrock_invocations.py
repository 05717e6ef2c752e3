"""Amazon Bedrock's log of model invocations, as it lies in S3 or comes from CloudWatch: one JSON object a call.

    {"schemaType":"ModelInvocationLog","timestamp":"2026-01-01T00:00:01Z","accountId":"…","region":"us-east-1",
     "identity":{"arn":"…"},"requestId":"…","operation":"Converse","modelId":"us.anthropic.claude-sonnet-4-…",
     "input":{"inputBodyJson":{…},"inputTokenCount":100,"cacheReadInputTokenCount":2000,"cacheWriteInputTokenCount":300},
     "output":{"outputBodyJson":{…},"outputTokenCount":50}}

The counts beside the bodies are the same for all operations; those of the cache are on top of the input's. An entry
with an `errorCode` is a failed call. The bodies hold what was asked and answered, and are left alone.
"""

import polars as pl

from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format

_SHAPE = Shape(
    paths={
        "created_at": ("timestamp",),
        "model": ("modelId",),
        "request_tokens": ("input.inputTokenCount",),
        "cache_read_tokens": ("input.cacheReadInputTokenCount",),
        "cache_write_tokens": ("input.cacheWriteInputTokenCount",),
        "response_tokens": ("output.outputTokenCount",),
        "latency": ("output.outputBodyJson.metrics.latencyMs",),
        "request_id": ("requestId",),
        "account_id": ("accountId",),
        "user_id": ("identity.arn",),
        "task": ("operation",),
        "error_type": ("errorCode",),
        "error": ("errorCode",),
        "region": ("region",),
        "inference_region": ("inferenceRegion",),
    },
    meaning=Meaning(
        name="bedrock-invocations",
        request_includes_cache=False,
        dedupe="bedrock",
        constants={"provider": "bedrock"},
    ),
)

FORMAT = json_format(
    "Amazon Bedrock's log of model invocations",
    _SHAPE,
    claims=pl.col("line").str.contains(r'"schemaType"\s*:\s*"ModelInvocationLog"'),
    hints=('"ModelInvocationLog"',),
)
