"""The usage records of a maestro.log → calls. `maestro_log` says what they look like and what their numbers mean."""

from functools import cache

import polars as pl

from parsers.formats.maestro.log_line import FAILURE_END, role_of, split_at
from parsers.rows.calls import Checks
from parsers.values.providers import provider_of
from parsers.values.typed import known, metadata, started, usd, whole

MARKER = "LLM call to model '"
"""What the message of a usage record begins with; `Starting LLM call to model '` is another record."""

NO_TIME = "the time is not one between 2000 and 2100"

_FAILURE = (
    r"(?s)^(?P<model>[^\n]*?)' failed: latency (?P<latency>[0-9.eE+-]+)(?P<unit>s?)"
    r"(?P<tokens>, request tokens: [0-9,]+, response tokens: [0-9,]+)?(?P<cost>, cost \$[0-9.]+)?"
    rf", error: (?P<error>.*?){FAILURE_END}"
)
_LONGEST_ERROR = 8192
_MOST_TOKENS = 10**12
_MOST_LATENCY = 366 * 86_400.0
_LAST_ESTIMATED = 4
_FIRST_UNPRICED = 6


def successes(records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the calls of *records* whose `body` (the message after the marker) goes on `': latency `, and the rejects.

    Split at fixed literals: a regex with as many groups takes four times as long.
    """
    read = _split(records).with_columns(_typed())
    good, rejects = _SUCCESS_CHECKS.apart(read)
    return good.with_columns(_success_variant()).select(_success_columns()), rejects


def failures(records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the calls of *records* whose `body` goes on `' failed: latency `, and the rejects."""
    read = records.with_columns(pl.col("body").str.extract_groups(_FAILURE).struct.unnest()).with_columns(
        latency=pl.col("latency").cast(pl.Float64, strict=False),
        temperature=pl.col("temp").cast(pl.Float64, strict=False),
    )
    good, rejects = _FAILURE_CHECKS.apart(read)
    return good.with_columns(_failure_variant()).select(_failure_columns()), rejects


def _split(records: pl.DataFrame) -> pl.DataFrame:
    """Split `body` into model, numbers `n0` to `n6` and trailer `t0` to `t4`; V6 has one number more."""
    cut = records.with_columns(split_at(pl.col("body"), "': latency ", "model", "rest")).unnest("model")
    cut = cut.with_columns(split_at(pl.col("rest"), " (agent: ", "numbers", "names")).unnest("numbers")
    cut = cut.with_columns(
        split_at(pl.col("numbers"), ", ", *(f"n{i}" for i in range(7))),
        split_at(pl.col("names"), ", ", *(f"t{i}" for i in range(5))),
    )
    # What was split is only asked for whether it is there, from here on: its texts would take much memory.
    cut = cut.drop("numbers", "body").with_columns(pl.col("rest", "names").is_not_null()).unnest("n0", "t0")
    cut = cut.with_columns(reasons=pl.col("n3").str.starts_with("reasoning tokens: ").fill_null(value=False))
    return cut.with_columns(
        n_total=pl.when("reasons").then("n4").otherwise("n3"),
        n_cost=pl.when("reasons").then("n5").otherwise("n4"),
        n_more=pl.when("reasons").then("n6").otherwise("n5"),
    )


@cache  # expressions are made once: making them again for each block of a log takes as long as a thousand rows
def _typed() -> list[pl.Expr]:
    """Return what the split pieces say, as typed columns; NULL where they say something else."""
    state, temperature = pl.col("t2").str.strip_suffix(")"), pl.col("t3").str.strip_prefix("temp: ")
    return [
        pl.col("n0").str.strip_suffix("s").cast(pl.Float64, strict=False).alias("latency"),
        _count("n1", "request tokens: ").alias("request"),
        _count("n2", "response tokens: ").alias("visible"),
        pl.when("reasons").then(_count("n3", "reasoning tokens: ")).alias("reasoning"),
        _count("n_total", "total tokens: ").alias("logged_total"),
        usd(pl.col("n_cost").str.strip_prefix("cost $")).alias("cost"),
        pl.col("t1").str.strip_prefix("story: ").alias("story"),
        pl.when(pl.col("t3").is_null()).then(state).otherwise("t2").alias("state"),
        temperature.str.strip_suffix(")").cast(pl.Float64, strict=False).alias("temperature"),
    ]


def _count(name: str, label: str) -> pl.Expr:
    return whole(pl.col(name).str.strip_prefix(label))


def _is_count(name: str) -> pl.Expr:
    return pl.col(name).is_between(0, _MOST_TOKENS).fill_null(value=False)


_LATENCY_CHECK = (
    ~pl.col("latency").is_between(0, _MOST_LATENCY).fill_null(value=False),
    "the latency is not a number of seconds that a call can take",
)
_TIME_CHECK = (pl.col("created_at").is_null(), NO_TIME)
_NO_MODEL = (pl.col("model") == "", "the model is empty")
_LAST_NAME = pl.coalesce("t3", "t2")

_SUCCESS_CHECKS = Checks(
    (
        _TIME_CHECK,
        (~pl.col("rest"), "neither `latency` nor `failed` follows the model"),
        _NO_MODEL,
        (~pl.col("names"), "cut short: agent, story and state are missing"),
        _LATENCY_CHECK,
        (~_is_count("request"), "`request tokens` is missing, or not a count"),
        (~_is_count("visible"), "`response tokens` is missing, or not a count"),
        (pl.col("reasons") & ~_is_count("reasoning"), "`reasoning tokens` is not a count"),
        (~_is_count("logged_total"), "`total tokens` is missing, or not a count"),
        (
            pl.col("n_cost").is_not_null()
            & (pl.col("n_cost") != "cost unpriced")
            & ~pl.col("cost").ge(0).fill_null(value=False),
            "the cost is not an amount",
        ),
        (pl.col("n_more").is_not_null(), "something stands after the cost"),
        (
            ~(
                pl.col("t1").str.starts_with("story: ")
                & pl.col("t2").str.starts_with("state: ")
                & pl.col("t4").is_null()
                & _LAST_NAME.str.ends_with(")")
            ).fill_null(value=False),
            "agent, story and state are not whole",
        ),
        (pl.col("t3").is_not_null() & pl.col("temperature").is_null(), "the temperature is not a number"),
    )
)
_FAILURE_CHECKS = Checks(
    (
        _TIME_CHECK,
        (pl.col("model").is_null(), "a failed call without its end: latency, error, agent, story and state"),
        _NO_MODEL,
        _LATENCY_CHECK,
    )
)


@cache
def _success_variant() -> pl.Expr:
    """Return which of the formats V1 to V6 a line has. V3 and V5 may be equal but for the logger and the commas."""
    grouped = pl.col("n_total").str.contains(",", literal=True)  # no other count is larger
    return (
        pl.when("reasons")
        .then(6)
        .when(pl.col("temperature").is_not_null())
        .then(4)
        .when(pl.col("n_cost").is_not_null())
        .then(pl.when((pl.col("logger") == "system") | grouped).then(3).otherwise(5))
        .otherwise(pl.when(pl.col("n0").str.ends_with("s")).then(2).otherwise(1))
    ).alias("variant")


@cache
def _failure_variant() -> pl.Expr:
    return (
        pl.when(pl.col("tokens").is_null())
        .then(5)
        .when(pl.col("temperature").is_not_null())
        .then(4)
        .when(pl.col("cost").is_not_null())
        .then(3)
        .otherwise(pl.when(pl.col("unit") == "s").then(2).otherwise(1))
    ).alias("variant")


def _columns() -> dict[str, pl.Expr]:
    """Return what success and failure have in common."""
    latency_ms = pl.col("latency") * 1_000
    return {
        "source_offset": pl.col("source_offset"),
        "created_at": pl.col("created_at"),
        "started_at": started(pl.col("created_at"), latency_ms),
        "ts_source": pl.lit("log"),
        "provider": provider_of(pl.col("model")),
        "model": pl.col("model"),
        "latency_ms": latency_ms,
        "temperature": pl.col("temperature"),
    }


@cache
def _success_columns() -> list[pl.Expr]:
    estimated, billed = pl.col("variant") <= _LAST_ESTIMATED, pl.col("variant") >= _FIRST_UNPRICED
    response = pl.col("visible") + pl.col("reasoning").fill_null(0)
    total = pl.col("request") + response
    agent = _unless_empty(pl.col("t0"))
    columns = _columns() | {
        "agent_id": agent,
        "role": role_of(agent),
        "story_id": _unless_empty(pl.col("story")),
        "state": _unless_empty(pl.col("state").str.strip_prefix("state: ")),
        "request_tokens": pl.col("request"),
        "response_tokens": response,
        "reasoning_tokens": pl.col("reasoning"),
        "total_tokens": total,
        "token_source": pl.when(estimated).then(pl.lit("estimated")).otherwise(pl.lit("provider")),
        "cost_reported_usd": pl.when((pl.col("cost") > 0) | (total == 0) | billed).then("cost"),
        "success": pl.lit(value=True),
        "metadata": metadata({"logged_total_tokens": pl.when(pl.col("logged_total") != total).then("logged_total")}),
        "format": pl.lit("maestro-log/V") + pl.col("variant").cast(pl.String),
    }
    return [value.alias(name) for name, value in columns.items()]


def _unless_empty(text: pl.Expr) -> pl.Expr:
    return pl.when(text != "").then(text)


@cache
def _failure_columns() -> list[pl.Expr]:
    agent = known(pl.col("agent"))
    columns = _columns() | {
        "agent_id": agent,
        "role": role_of(agent),
        "story_id": known(pl.col("story")),
        "state": known(pl.col("state")),
        "success": pl.lit(value=False),
        "error": known(pl.col("error").str.head(_LONGEST_ERROR)),
        "error_type": known(pl.col("error_type")),
        "format": pl.lit("maestro-log/F") + pl.col("variant").cast(pl.String),
    }
    return [value.alias(name) for name, value in columns.items()]
