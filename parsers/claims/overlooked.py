"""How many lines speak of tokens and a model though no format reads them: what a user must hear of.

Such a line has a number of tokens, and says a model: `"prompt_tokens": 900` and `"model": "gpt-5"`, or in text
`tokens=940` or `940 tokens` and the word `model`. Inside what somebody wrote, as in a quoted string, it doesn't count.

Where a format that knows its own lines has read some of a source, the others are that system's side lines (totals,
limits, what a tool printed), which are left out on purpose.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from parsers.blocks.format import Format
from parsers.blocks.lines import Lines, Positions

_WORDS = ("oken", "toks", "OKEN")
_LINE = pl.col("line")
_BARE = r'(?:^|[^\\])"'
_JSON = (
    _LINE.str.contains(rf'{_BARE}[\w.]*(?i:tokens?|token_?count)"\s*:\s*(?:"?\d|\{{[^{{}}"]*"[^{{}}"]*"\s*:\s*"?\d)')
    & _LINE.str.contains(rf'{_BARE}[\w.]*(?i:model|engine|deployment)[\w.]*"\s*:\s*"[^"]')
    & ~_LINE.str.contains(rf'{_BARE}(?:role|content|messages?|prompt)"\s*:\s*["\[{{]')
)
_COUNTS = r"(?i-u)tok(?:en)?s?[\"']?\s*[=:]\s*\d|\b\d[\d,._]*\s+(?:\w+\s+)?tok(?:en)?s\b"
_MAKERS = r"(?i-u)\bmodel|\b(?:gpt|claude|gemini|mistral|llama|deepseek|grok|qwen)[-\d]"
_TEXT = _LINE.str.contains(_COUNTS) & ~_LINE.str.contains(r"(?i-u)max_?(?:\w+_)?tokens") & _LINE.str.contains(_MAKERS)
SPEAKS = pl.when(_LINE.str.contains(r"^\s*[{\[]")).then(_JSON).otherwise(_TEXT)
"""Whether `line` speaks of tokens and a model."""


def unread(
    lines: Lines, found: Iterable[tuple[Format, pl.DataFrame]], formats: Sequence[Format], *, before: int
) -> Positions:
    """Return the offsets of the *lines* before *before* that speak of calls, and are none of those *found*.

    What one of *formats* leaves out on purpose is not among them.
    """
    may = lines.whole.copy()
    for _, records in found:
        may &= ~np.isin(lines.offsets, records["source_offset"].to_numpy())
    if may.any():
        may &= lines.holding(_WORDS)
    if not may.any():
        return np.zeros(0, np.int64)
    records = lines.frame(may).filter((pl.col("source_offset") < before) & SPEAKS)
    left_out = [f.leaves for f in formats if f.leaves is not None]
    if left_out and not records.is_empty():
        records = records.filter(~pl.any_horizontal(left_out))
    return records["source_offset"].to_numpy()
