"""The one guard of what the warehouse keeps: prompts, responses and secrets don't pass, whichever format read them.

What a field's name says is decided once a name (`rule_of`), what its value says once a value, by columns (`keeps`):

- Numbers, booleans and times are kept.
- One word of at most `LONGEST_WORD` characters is kept, unless it is shaped like a key, a token, or a URL with
  credentials. A run of script that is written without blanks is no word.
- Text with blanks is kept up to `LONGEST_LABEL` characters, and only under a name that says label, such as `team`.
- Text under a name that says content, such as `full_prompt`, or secret, such as `access_token`, is not kept, nor is
  what lies below such a name.

The columns of a call that hold identifiers are what the log says, within bounds: see `guarded_rows`. Error texts keep
their first line, with secrets masked.
"""

import re
import tomllib
from collections.abc import Callable, Iterable
from enum import Enum
from functools import cache
from hashlib import blake2b
from importlib.resources import files as resources

import polars as pl

LONGEST_WORD = 128
LONGEST_LABEL = 64
LONGEST_ERROR = 2_000
LONGEST_IDENTIFIER = 256

_LISTS: dict[str, list[str]] = tomllib.loads((resources("parsers.values") / "privacy.toml").read_text("utf-8"))
_ALONE = re.compile(
    f"(?:{'|'.join({*_LISTS['content'], *_LISTS['content_last'], *_LISTS['content_alone'], *_LISTS['qualifiers']})}|s)+"
)
_QUALIFIERS = frozenset(_LISTS["qualifiers"])
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_PLURALS = (("ies", "y"), ("sses", "ss"), ("ss", "ss"), ("us", "us"), ("s", ""))


def _words(name: str) -> list[str]:
    """Return the words of *name* in lower case and singular."""
    return [_singular(word.lower()) for word in _WORD.findall(name)]


def _singular(word: str) -> str:
    for plural, singular in _PLURALS:
        if word.endswith(plural) and len(word) > len(plural) + 1:
            return word.removesuffix(plural) + singular
    return word


def _set(name: str) -> set[str]:
    return {" ".join(_words(listed)) for listed in _LISTS[name]}


_LABELS, _TAGS, _CONTENT, _CONTENT_LAST = _set("labels"), _set("tags"), _set("content"), _set("content_last")
_CONTENT_ALONE, _ABOUT = _set("content_alone"), _set("about")
_SECRETS, _SECRET_FORMS = _set("secrets"), _set("secret_forms")
_COUNTED = "tokens"
"""What a language model reads and writes, and no secret, unlike one `token`."""

_BLANK = "[\\t-\\r\\x1c-\\x20\\x7f-\\xa0\\u1680\\u2000-\\u200f\\u2028-\\u202f\\u205f\\u2060\\u3000\\ufeff]"
_UNSPACED = "[\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff\\u3000-\\u30ff\\u3400-\\u9fff\\uff00-\\uffef]{9}"
_PROSE = f"{_BLANK}|%20|{_UNSPACED}"
"""What no word has: blanks, also as URLs write them, and many characters of a script that is written without."""

_PLAIN = (
    r"^(?:true|false|True|False|[+-]?\d{1,3}(?:,\d{3})+|[+-]?\d{0,24}\.?\d{1,24}(?:[eE][+-]?\d{1,4})?"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d\d:?(?:\d\d)?))?)?)$"
)
"""Numbers, booleans, and times, as text."""

_ASSIGNED = (
    r"((?i:api[-_ ]?key|(?:access|auth|refresh|session|security|id)[-_]?token|secret|password|passwd|pwd|passphrase"
    r"|authorization|(?:access|account|secret|private|signing|subscription)[-_ ]?key|x-amz-signature|x-amz-credential"
    r"|[?&;](?:token|key|sig|signature|code))(?: provided)?[\"']{0,2}[ \t]*[=:][ \t]*[\"']?)[^ \t\r\n\"'&,;}\x60…]{4,}"
)
"""A value that follows a name which says that it is secret."""

_SHAPES = (
    r"\b((?:sk|pk|rk)[-_])[A-Za-z0-9_-]{8,}",
    r"\b(gh[pousr]_|github_pat_|glpat-|gsk_|hf_|npm_|pypi-|xai-|pplx-|nvapi-|tvly-|dop_v1_|whsec_)[A-Za-z0-9_-]{8,}",
    r"\b(xox[a-z]-|xapp-|AKIA|ASIA|AIza|ya29\.|SG\.)[A-Za-z0-9._-]{12,}",
    r"\b(eyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?",
    r"(-----BEGIN )[A-Z ]{0,40}KEY-----[^-]*(?:-----END [A-Z ]{0,40}KEY-----)?",
    r"\b((?i:bearer)[ \t]+)[A-Za-z0-9._~+/=-]{6,}",
    r"\b((?i:basic)[ \t]+)[A-Za-z0-9+/=]{16,}",
    _ASSIGNED,
    r"([A-Za-z0-9+.-]://)[^ \t\r\n\"'<>/?#@:]*:[^ \t\r\n\"'<>]*@",
    r"([A-Za-z0-9+.-]://)[^ \t\r\n\"'<>/?#@]+@",
)
"""What keys, tokens and URLs with credentials look like; the group is what remains of them in a text.

None begins with a class of many letters: with one, a search for all at once takes a hundred times as long.
"""

_MASK = "…"
_SECRET = "|".join(_SHAPES)
_NO_WORD = re.compile(f"(?:{_PROSE})|(?:{_SECRET})", re.ASCII)
_IS_PLAIN = re.compile(_PLAIN, re.ASCII)
_IS_PROSE = re.compile(_PROSE)
_IS_SECRET = re.compile(_SECRET, re.ASCII)


def _columnar(pattern: str) -> str:
    """Return *pattern* for Polars: bounds of words in ASCII only, without which it searches a tenth as fast."""
    return pattern.replace(r"\b", r"(?-u:\b)").replace(r"\d", "[0-9]")


_PROSE_COLUMN, _PLAIN_COLUMN, _SECRET_COLUMN = _PROSE, _columnar(_PLAIN), _columnar(_SECRET)
_NO_WORD_COLUMN = f"(?:{_PROSE_COLUMN})|(?:{_SECRET_COLUMN})"


class Rule(Enum):
    """What may be kept under a name: any word, short texts too, the same and of all below, or no text at all."""

    WORD = "word"
    LABEL = "label"
    TAGS = "tags"
    NEVER = "never"


def rule_of(name: str, above: Rule = Rule.WORD) -> Rule:
    """Return what may be kept under *name*, which lies below a field of the rule *above*."""
    if above is Rule.NEVER:
        return Rule.NEVER
    own = _own_rule(name)
    return Rule.TAGS if above is Rule.TAGS and own is not Rule.NEVER else own


def extend_labels(names: Iterable[str]) -> None:
    """Let texts with blanks pass under *names* too, from now on, in this process."""
    _LABELS.update(" ".join(_words(name)) for name in names)
    _own_rule.cache_clear()


@cache
def _own_rule(name: str) -> Rule:
    words = _words(name)
    if not words:
        return Rule.WORD
    ends = {words[-1], " ".join(words[-2:])}
    if ends.isdisjoint(_ABOUT) and (_is_secret(name, words) or _is_content(words)):
        return Rule.NEVER
    if words[-1] in _TAGS:
        return Rule.TAGS
    return Rule.WORD if _LABELS.isdisjoint({*ends, " ".join(words)}) else Rule.LABEL


def _is_secret(name: str, words: list[str]) -> bool:
    if name.lower().endswith(_COUNTED):
        return False
    while len(words) > 1 and (words[-1] in _SECRET_FORMS or words[-1].isdigit()):
        words = words[:-1]
    return not _SECRETS.isdisjoint({words[-1], " ".join(words[-2:]), "".join(words)})


def _is_content(words: list[str]) -> bool:
    squashed = "".join(words)
    alone = _ALONE.fullmatch(squashed) is not None and not _QUALIFIERS.issuperset(words)
    return alone or squashed in _CONTENT_ALONE or words[-1] in _CONTENT_LAST or not _CONTENT.isdisjoint(words)


@cache
def is_name(key: str) -> bool:
    """Return whether *key* is the name of a field, and not itself what somebody wrote, or a secret."""
    return len(key) <= LONGEST_LABEL and len(_IS_PROSE.findall(key)) <= _MOST_BLANKS and not _IS_SECRET.search(key)


_MOST_BLANKS = 3
_SAMPLE, _REPEATED, _HANDFUL = 1024, 4, 64


def is_kept(text: str, rule: Rule) -> bool:
    """Return whether *text* may be kept under a name of *rule*."""
    if _IS_PLAIN.match(text):
        return True
    if rule is Rule.NEVER:
        return False
    if len(text) <= LONGEST_LABEL and rule is not Rule.WORD:
        return not _IS_SECRET.search(text)
    return len(text) <= LONGEST_WORD and not _NO_WORD.search(text)


def keeps(text: pl.Expr, rule: Rule) -> pl.Expr:
    """Return where *text* may be kept under a name of *rule*; what `is_kept` says, by columns."""
    plain = text.str.contains(_PLAIN_COLUMN)
    if rule is Rule.NEVER:
        return plain
    length = text.str.len_chars()
    kept = (length <= LONGEST_WORD) & ~text.str.contains(_NO_WORD_COLUMN)
    if rule is not Rule.WORD:
        kept |= (length <= LONGEST_LABEL) & ~text.str.contains(_SECRET_COLUMN)
    return kept | plain


def guarded(values: pl.Series) -> pl.Series:
    """Return the field *values* where it may be kept under its name, else NULL; numbers, booleans and times always are.

    Raises:
        TypeError: It has fields of its own, which need to be guarded by their names.
    """
    if values.dtype.is_nested():
        raise TypeError(f"`{values.name}` has parts: they need names of their own")
    if values.dtype != pl.String:
        return values
    if not is_name(values.name):
        return values.clear(len(values))
    rule = rule_of(values.name)
    return _without(values, ~_each(values, lambda text: keeps(text, rule)), None)


def masked(text: pl.Expr) -> pl.Expr:
    """Return *text* without the keys, tokens and passwords in it."""
    for shape in _SHAPES:
        text = text.str.replace_all(_columnar(shape), "${1}" + _MASK)
    return text


def mask(text: str) -> str:
    """Return *text* without the keys, tokens and passwords in it."""
    return pl.select(masked(pl.lit(text))).item() if _IS_SECRET.search(text) else text


def shown(text: pl.Expr, most: int = 60) -> pl.Expr:
    """Return *text* for a message about it: itself where it is one harmless word, else how long it is."""
    length = pl.format("text of {} characters", text.str.len_chars())
    return pl.when((text.str.len_chars() <= most) & keeps(text, Rule.WORD)).then(text).otherwise(length)


ERRORS = frozenset({"error", "reason", "explanation", "hold_reason"})
"""Columns of what went wrong, in words."""

_NO_IDENTIFIERS = frozenset({*ERRORS, "metadata", "line", "dedupe_key", "format", "ts_source", "kind", "token_source"})


def guarded_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Return *rows* with their texts guarded, but for `metadata`, which is made guarded.

    An identifier (`model`, `session_id`, `agent_id` and the like) is kept as logged if it is a word of at most
    `LONGEST_IDENTIFIER` characters or a text of at most `LONGEST_LABEL`, and no secret. In place of others stands a
    digest, so that they still tell their rows apart. Errors keep their first line, with secrets masked.
    """
    texts = [column for column in rows if column.dtype == pl.String and column.null_count() < len(column)]
    changed = [_error(column) for column in texts if column.name in ERRORS]
    changed += [_identifier(column, _key_fits) for column in texts if column.name == "dedupe_key"]
    identifiers = [column for column in texts if column.name not in _NO_IDENTIFIERS]
    # Nearly always all are as they should be, which is found out at once for all columns.
    if identifiers and not _all_fit(identifiers):
        changed += [_identifier(column, _identifier_fits) for column in identifiers]
    return rows.with_columns(changed) if changed else rows


def guarded_column(values: pl.Series) -> pl.Series:
    """Return the column *values* of a table that an application keeps: errors and identifiers as those of calls are."""
    if values.dtype != pl.String:
        return values
    if values.name in ERRORS:
        return _error(values)
    return _identifier(values, _identifier_fits) if values.name.lower().endswith("id") else guarded(values)


def digest(text: str) -> str:
    """Return 64 bits, as hexadecimal digits, that tell *text* from others."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _error(texts: pl.Series) -> pl.Series:
    first = texts.str.strip_chars_start()
    if first.str.contains(r"[\r\n]").any():
        first = first.str.extract(r"^([^\r\n]*)", 1)
    first = first.str.head(LONGEST_ERROR)
    line = pl.col(texts.name)
    if first.str.contains(_SECRET_COLUMN).any():
        line = masked(line)
    return first.to_frame().select(pl.when(line != "").then(line)).to_series()


def _identifier(texts: pl.Series, fits: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    good = _each(texts, lambda text: _is_fit(text, fits))
    return _without(texts, ~good, lambda text: f"#{digest(text)}")


def _all_fit(identifiers: list[pl.Series]) -> bool:
    distinct = pl.concat([_distinct(column) for column in identifiers]).to_frame("text")
    return bool(distinct.select(_is_fit(pl.col("text"), _identifier_fits).all()).item())


def _is_fit(text: pl.Expr, fits: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    return fits(text) & ~text.str.contains(_SECRET_COLUMN)


def _identifier_fits(text: pl.Expr) -> pl.Expr:
    length = text.str.len_chars()
    return (length <= LONGEST_LABEL) | ((length <= LONGEST_IDENTIFIER) & ~text.str.contains(_PROSE_COLUMN))


def _key_fits(text: pl.Expr) -> pl.Expr:
    """Keys are made of identifiers and times, so that one may be long; a sentence has more blanks."""
    return (text.str.len_bytes() <= LONGEST_LABEL) | (text.str.count_matches(_PROSE_COLUMN) <= _MOST_BLANKS)


def _each(texts: pl.Series, rule: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """Return what *rule* says of each of *texts*; where they seem to be few, it is asked once for each distinct one."""
    distinct = _distinct(texts).to_frame("text")
    told = distinct.select(rule(pl.col("text"))).to_series()
    if len(distinct) == len(texts):
        return told
    if told.all():  # NULL counts as true
        return pl.Series([True], dtype=pl.Boolean).new_from_index(0, len(texts))
    return texts.replace_strict(distinct["text"], told, return_dtype=pl.Boolean)


def _distinct(texts: pl.Series) -> pl.Series:
    """Return the distinct ones of *texts* where they seem to be few, else all."""
    repeated = len(texts) > _HANDFUL and texts.head(_SAMPLE).n_unique() * _REPEATED <= min(len(texts), _SAMPLE)
    return texts.unique() if repeated else texts


def _without(texts: pl.Series, wrong: pl.Series, instead: Callable[[str], str] | None) -> pl.Series:
    """Return *texts* with what stands *instead* of those that are *wrong*, or NULL."""
    if not wrong.any():
        return texts
    at = wrong.fill_null(value=False).arg_true()
    return texts.scatter(at, [instead(text) if instead else None for text in texts.gather(at).to_list()])
