"""Vertex AI's log of requests and responses, exported from BigQuery as JSON lines, or as a table.

    {"endpoint":"projects/p/…/publishers/google/models/gemini-2.5-flash","logging_time":"2026-01-01 00:00:05.123 UTC",
     "request_id":"9005","model":"gemini-2.5-flash","api_method":"generateContent","full_request":{…},
     "full_response":{"usageMetadata":{…},"modelVersion":"…","responseId":"…"},"metadata":{"request_latency":1234}}

`full_response` is an object, or its JSON as text. It holds what the model's own API answers, of Google or of a partner.
A row without usage is a reject: it may have failed. The application that logs the response itself logs the same call.
"""

from dataclasses import replace

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.blocks.lines import RECORDS, reject
from parsers.jsonl.decode import decode
from parsers.rows.by_header import json_header
from parsers.rows.calls import Meaning, calls
from parsers.rows.usage_objects import USAGE_DTYPE, unfold

_ROW = pl.Struct(
    {
        **dict.fromkeys(("endpoint", "logging_time", "request_id", "model", "api_method", "full_response"), pl.String),
        "metadata": pl.Struct({"request_latency": pl.String}),
    }
)
_RESPONSE = pl.Struct(
    {
        **dict.fromkeys(("modelVersion", "model", "responseId", "id"), pl.String),
        "usageMetadata": USAGE_DTYPE,
        "usage": USAGE_DTYPE,
    }
)
_MEANING = Meaning(name="vertex")


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    del context
    rows, unread = decode(records, _ROW)
    row = pl.col("record").struct
    answers = rows.select("source_offset", "source_end", line=row.field("full_response"), raw_line="line", row="record")
    missing = answers["line"].is_null()
    refused = reject(answers.filter(missing).with_columns(line="raw_line"), "no `full_response`")
    read, bad = decode(answers.filter(~missing), _RESPONSE)
    bad = bad.drop("line").join(rows.select("source_offset", "line"), on="source_offset", how="left")
    answer, row = pl.col("record").struct, pl.col("row").struct
    usage = pl.coalesce(answer.field("usageMetadata"), answer.field("usage"))
    fields = read.select(
        *RECORDS,
        created_at=row.field("logging_time"),
        model=pl.coalesce(answer.field("modelVersion"), answer.field("model"), row.field("model")),
        provider=row.field("endpoint").str.extract(r"publishers/([\w-]+)/"),
        latency=row.field("metadata").struct.field("request_latency"),
        request_id=row.field("request_id"),
        task=row.field("api_method"),
        dedupe_key=pl.coalesce(
            pl.lit("gemini:") + answer.field("responseId"), pl.lit("anthropic:") + answer.field("id")
        ),
        used=usage,
    )
    counted = unfold(fields, "used").drop("used")
    counted = counted.with_columns(pl.col(pl.Int64).exclude("source_offset", "source_end").cast(pl.String))
    parsed = calls(counted, _MEANING)
    return replace(parsed, rejects=pl.concat([unread, refused, bad.select(refused.columns), parsed.rejects]))


_LINE = pl.col("line")

FORMAT = Format(
    name="vertex",
    title="Vertex AI's log of requests and responses",
    json=True,
    claims=_LINE.str.contains(r'"full_response"\s*:') & _LINE.str.contains(r'"logging_time"\s*:'),
    parse=_parse,
    hints=('"logging_time"',),
)

HEADER = json_header(
    FORMAT, (("full_response",), ("logging_time",)), reads=("model", "request_id", "metadata"), of_lines=True
)
