r"""What a trading system logs of each call, as text: the roles of a run before their rows are in its table.

    2026-05-01T12:00:00 INFO     ai.orchestrator._llm: LLM role=market_analysis provider=anthropic model=claude-opus-4-7
    input=10432 output=611 total=11043 cost=$0.202305 duration=8120ms

on one line, without `cost` in earlier versions. A count may be `None`, a cost `n/a`. The time is that of the host, in
seconds and without an offset, after the call; like any time before a text it is taken off as an envelope. The table's
row of the same call tells more: where both were read, it counts (`superseded_calls` of the views).
"""

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.blocks.lines import reject
from parsers.rows.calls import Meaning, calls

_MARKER = "LLM role="
_PATTERN = (
    r"(?:^|\s)LLM role=(?P<role>\S+) provider=(?P<provider>\S+) model=(?P<model>.+?) input=(?P<request_tokens>\d+|None)"
    r" output=(?P<response_tokens>\d+|None)(?: total=(?P<total_tokens>\d+|None))?(?: cost=\$?(?P<cost>\S+))?"
    r"(?: duration=(?P<latency>\d+)ms)?\s*$"
)
_UNKNOWN = ("None", "n/a")
_MEANING = Meaning(
    name="trading/log",
    requires=("model",),
    failed="^$",
    constants={"status": "logged after the answer"},
)


def _parse(records: pl.DataFrame, _context: Context) -> Parsed:
    read = records.with_columns(groups=pl.col("line").str.extract_groups(_PATTERN)).unnest("groups")
    matched = pl.col("model").is_not_null()
    fields = read.filter(matched).drop("line")
    texts = [name for name in fields.columns if name not in records.columns]
    known = fields.with_columns(pl.when(~pl.col(name).is_in(_UNKNOWN)).then(name).alias(name) for name in texts)
    parsed = calls(known, _MEANING)
    refused = reject(read.filter(~matched), "the line is cut, or of another version")
    return Parsed(parsed.calls, parsed.events, pl.concat([refused, parsed.rejects]))


FORMAT = Format(
    name="trading-log",
    title="lines of a trading system's log, one a call",
    json=False,
    claims=pl.col("line").str.contains(_MARKER + r"\S+ provider=\S+ model="),
    parse=_parse,
    hints=(_MARKER,),
)
