"""Responses of servers of local models in their own API: Ollama, and llama.cpp's server.

    {"model":"llama3.2","created_at":"2026-01-01T00:00:02.1Z","message":{…},"done":true,"total_duration":4883583458,
     "prompt_eval_count":26,"eval_count":282}
    {"content":"…","model":"qwen2.5-7b","tokens_evaluated":26,"tokens_predicted":282,"timings":{"predicted_ms":…}}

Durations of Ollama's are nanoseconds. The last object of a stream has the counts. A prompt that was cached as a whole
has no count: unknown. Their APIs that speak as OpenAI's does are read as that.
"""

import polars as pl

from parsers.blocks.format import apart
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format
from parsers.values.lenient import duration_ms


def _places(*keys: str) -> tuple[str, ...]:
    return (*keys, *(f"response.{key}" for key in keys))


_SHAPE = Shape(
    paths={
        "created_at": _places("created_at"),
        "model": _places("model", "generation_settings.model"),
        "request_tokens": _places("prompt_eval_count", "tokens_evaluated"),
        "response_tokens": _places("eval_count", "tokens_predicted"),
        "total_ns": _places("total_duration"),
        "prompt_ms": _places("timings.prompt_ms"),
        "predicted_ms": _places("timings.predicted_ms"),
        "done_reason": _places("done_reason"),
    },
    meaning=Meaning(name="ollama", constants={"provider": "ollama"}),
    internal=("total_ns", "prompt_ms", "predicted_ms"),
    derived={
        "latency": pl.coalesce(
            duration_ms(pl.col("total_ns"), "ns"),
            duration_ms(pl.col("prompt_ms")) + duration_ms(pl.col("predicted_ms")),
        ).cast(pl.String),
        "provider": pl.when(pl.col("predicted_ms").is_not_null()).then(pl.lit("llama.cpp")).otherwise(pl.lit("ollama")),
    },
)

_LINE = pl.col("line")

FORMAT = json_format(
    "responses of Ollama and of llama.cpp's server",
    _SHAPE,
    claims=_LINE.str.contains(apart(r'"eval_count"\s*:\s*\d|"tokens_predicted"\s*:\s*\d'))
    & _LINE.str.contains(apart(r'"(?:done|tokens_evaluated)"\s*:')),
    hints=('"eval_count"', '"tokens_predicted"'),
)
