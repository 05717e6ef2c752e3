"""Results of batches that failed, as OpenAI, Anthropic and Gemini list them beside those that are responses.

    {"id":"…","custom_id":"c2","response":{"status_code":400,"body":{"error":{"message":"…","type":"…"}}},"error":null}
    {"id":"…","custom_id":"c3","response":null,"error":{"code":"batch_expired","message":"…"}}
    {"custom_id":"c4","result":{"type":"errored","error":{"type":"error","error":{"type":"…","message":"…"}}}}
    {"custom_id":"c5","result":{"type":"expired"}}
    {"key":"k2","error":{"code":3,"message":"…","status":"INVALID_ARGUMENT"}}

Each is a failed call without a model, tokens or a time of its own: what has expired or was cancelled never reached a
model. Results that hold a response are read as that.
"""

import polars as pl

from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format

_PLACES = ("error", "result.error.error", "result.error", "response.body.error", "response.error")

_SHAPE = Shape(
    paths={
        "request_id": ("custom_id", "key"),
        "error": (*(f"{place}.message" for place in _PLACES), "result.type"),
        "error_type": (
            *(f"{place}.{key}" for place in _PLACES[:2] for key in ("type", "status", "code")),
            *(f"{place}.{key}" for place in _PLACES[3:] for key in ("type", "status", "code")),
            "result.type",
        ),
        "status_code": ("response.status_code",),
    },
    meaning=Meaning(name="batch-failures", requires=(), constants={"status": "error"}),
)

_LINE = pl.col("line")

FORMAT = json_format(
    "failed, expired and cancelled results of batches",
    _SHAPE,
    claims=(
        (
            _LINE.str.contains(r'"custom_id"\s*:')
            & (
                _LINE.str.contains(r'"error"\s*:\s*\{')
                | _LINE.str.contains(r'"type"\s*:\s*"(?:errored|expired|cancell?ed)"')
            )
        )
        | (
            # Two regexes, each tied to an end of the line: one for both would look at every `"key"` in it.
            (_LINE.str.contains(r'^\{\s*"key"\s*:') | _LINE.str.contains(r'"key"\s*:\s*"[^"]*"\s*\}\s*$'))
            & _LINE.str.contains(r'"error"\s*:\s*\{')
        )
    )
    & ~pl.any_horizontal(_LINE.str.contains(rf'"{key}"\s*:') for key in ("usage", "usageMetadata", "params", "method")),
    hints=('"custom_id"', '"key"'),
)
