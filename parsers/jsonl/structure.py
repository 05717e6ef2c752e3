"""What is kept of a record that was not taken: its structure instead of its text, which may hold a prompt or a key.

    {"record":{"level":"info","prompt":"<text of 412>","usage":{"input_tokens":-1}},"digest":"9f86d081884c7d65"}

Of a JSON object that is its keys, the values that `privacy` lets pass, and how long the others are; of any other text
its length, what stands before its message, and the keys in it. The digest tells rejects apart.
"""

import json
import re
from typing import Any

import polars as pl

from parsers.jsonl.decode import loads
from parsers.values.privacy import Rule, digest, is_kept, is_name, rule_of

_DEEPEST = 6
_MOST_ITEMS = 8
_MOST_KEYS = 64
_KEY = re.compile(r'"([^"\\\s]{1,64})"\s*:')
_PREFIX = re.compile(r"\[?(?P<time>[0-9T:.+ -]{10,35}Z?)\]?\s+\[(?P<logger>[^\]\s]{1,64})\]\s+(?P<level>[A-Z]{4,8})\b")
_DIGEST = r'"digest":"([0-9a-f]{16})"\}$'


def without_text(rejects: pl.DataFrame) -> pl.DataFrame:
    """Return *rejects* with the structure of each in the place of its text."""
    if rejects.is_empty():
        return rejects
    lines = [None if line is None else structure(line) for line in rejects["line"].to_list()]
    return rejects.with_columns(
        pl.Series("line", lines, dtype=pl.String), pl.lit(None, dtype=pl.Binary).alias("raw")
    ).select(rejects.columns)


def structure(line: str) -> str:
    """Return what is kept of the record *line*, as a JSON object."""
    try:
        record = loads(line) if line.lstrip().startswith(("{", "[")) else None
    except ValueError:
        record = None
    if isinstance(record, dict | list):
        kept = {"record": _described(record, Rule.WORD, _DEEPEST)}
    else:
        kept = {"length": len(line), **_prefix(line), **_keys(line)}
    return json.dumps({**kept, "digest": digest(line)}, ensure_ascii=False, separators=(",", ":"))


def digests(line: pl.Expr) -> pl.Expr:
    """Return the digest of each record that was refused, whether its text or its structure is in *line*."""
    return line.map_batches(_digests, return_dtype=pl.String, is_elementwise=True)


def _digests(lines: pl.Series) -> pl.Series:
    written = lines.str.extract(_DIGEST, 1)
    texts = lines.filter(written.is_null()).fill_null("")
    return written.scatter(written.is_null().arg_true(), [digest(text) for text in texts.to_list()])


def _described(value: Any, rule: Rule, depth: int) -> Any:
    """Return *value*, which lies under a name of *rule*; in place of a text not to be kept, how long it is."""
    if isinstance(value, dict):
        if not depth:
            return f"<object of {len(value)}>"
        shown = [(key, item) for key, item in list(reversed(value.items()))[:_MOST_KEYS] if is_name(key)]
        described = {key: _described(item, rule_of(key, rule), depth - 1) for key, item in shown}
        return described if len(shown) == len(value) else {**described, "…": f"<{len(value) - len(shown)} more>"}
    if isinstance(value, list):
        items = [_described(item, rule, depth - 1) for item in value[:_MOST_ITEMS]] if depth else []
        return items if len(items) == len(value) else [*items, f"<{len(value) - len(items)} more>"]
    if isinstance(value, str) and not is_kept(value, rule):
        return f"<text of {len(value)}>"
    return repr(value) if isinstance(value, float) and value - value != 0 else value  # NaN is no JSON


def _prefix(line: str) -> dict[str, str]:
    found = _PREFIX.match(line)
    return {} if found is None else {name: text for name, text in found.groupdict().items() if is_kept(text, Rule.WORD)}


def _keys(line: str) -> dict[str, list[str]]:
    """Return the first keys of what seems to be broken JSON."""
    found = [key for key in dict.fromkeys(_KEY.findall(line)) if is_name(key)][:_MOST_KEYS]
    return {"keys": found} if found else {}
