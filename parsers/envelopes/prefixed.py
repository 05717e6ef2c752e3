"""Text lines with a prefix → what follows it. Prefixes may follow each other, and colours be anywhere."""

from collections.abc import Sequence
from functools import cache

import polars as pl

from parsers.blocks.format import Format
from parsers.envelopes.described import without_described
from parsers.envelopes.known_envelopes import FACTS
from parsers.envelopes.lookalikes import promising, standing
from parsers.envelopes.prefixes import COLOURS, PREFIXES, Prefix, nameless

_LINE = pl.col("line")
_ANY = "^(?:" + "|".join(prefix.test for prefix in PREFIXES) + ")"
_BLANKS = PREFIXES[-1]
_OTHER = "^(?:" + "|".join(prefix.test for prefix in PREFIXES if prefix is not _BLANKS) + ")"
_MAY_BE_PIECE = "^(?:" + "|".join(nameless(p.pattern) for p in PREFIXES if "(?P<tag>" in p.pattern) + ")"
_ESCAPE = "\x1b"
_MOST = 4
_CELL = r'^"((?:[^"]|"")*)"(?:,[^"]*)?$'


def before_text(records: pl.DataFrame, formats: Sequence[Format]) -> list[pl.DataFrame]:
    """Return what follows the prefixes of *records* that have some; `part` tells pieces of longer lines.

    *records* have their number `at` besides `RECORDS`.
    """
    done = []
    rest = records.with_columns(
        *(pl.lit(None, dtype=pl.String).alias(name) for name in ("envelope", *FACTS)),
        part=pl.lit(None, dtype=pl.Boolean),
        sure=pl.lit(value=False),
        loose=pl.lit(value=False),
    )
    rest = _without_colours(rest)
    for _ in range(_MOST):
        own, rest = without_described(rest, formats)
        done += own
        # What follows in a piece of a line is no line yet: it is looked at when the pieces are joined.
        begins = _LINE.str.contains(_ANY) & pl.col("part").is_null()
        some = rest.select(begins & ~(pl.col("envelope").is_not_null() & standing(formats))).to_series()
        done.append(rest.filter(~some))
        rest = rest.filter(some)
        if rest.is_empty():
            break
        rest = _step(rest)
    done.append(rest)
    found = pl.concat(done).filter(pl.col("envelope").is_not_null())
    found = _trusted(found, formats) if len(found) else found
    return [found.drop("sure", "loose")] if len(found) else []


def _without_colours(records: pl.DataFrame) -> pl.DataFrame:
    coloured = records.select(
        _LINE.str.contains(_ESCAPE, literal=True) & ~_LINE.str.contains(_MAY_BE_PIECE)
    ).to_series()
    if not coloured.any():
        return records
    return records.with_columns(
        line=pl.when(coloured).then(_LINE.str.replace_all(COLOURS, "")).otherwise("line"),
        envelope=pl.when(coloured).then(pl.lit("colours")),
        loose=coloured,
    )


def _step(records: pl.DataFrame) -> pl.DataFrame:
    """Return *records* without their first prefix, each by the first of `PREFIXES` that it has.

    Lines that are only indented, as those of a stack trace are, are told from the others at once.
    """
    other = records.select(_LINE.str.contains(_OTHER)).to_series()
    parts, rest = [], records.filter(other)
    for prefix in PREFIXES:
        if prefix is _BLANKS:
            rest = pl.concat([rest, records.filter(~other)])
        if rest.is_empty():
            continue
        test = _LINE.str.contains("^" + prefix.test)
        # Behind a prefix that is told, blanks and words are the line's own.
        mine = rest.select(test & pl.col("envelope").is_null() if prefix.loose else test).to_series()
        if mine.any():
            parts.append(_after(rest.filter(mine), prefix))
            rest = rest.filter(~mine)
    return pl.concat([*parts, rest])


@cache
def _groups(prefix: Prefix) -> tuple[pl.Expr, tuple[str, ...]]:
    groups = _LINE.str.extract_groups(f"^(?P<all>{prefix.pattern})").alias("_groups")
    dtype = pl.DataFrame({"line": [""]}).select(groups).to_series().dtype
    return groups, tuple(field.name for field in dtype.fields) if isinstance(dtype, pl.Struct) else ()


def _after(records: pl.DataFrame, prefix: Prefix) -> pl.DataFrame:
    groups, names = _groups(prefix)
    group = {name: pl.col("_groups").struct.field(name) for name in names}
    line = _LINE.str.strip_prefix(group["all"])
    if prefix.cell:
        quoted = line.str.extract(_CELL, 1).str.replace_all('""', '"', literal=True)
        line = pl.coalesce(quoted, line)
    said = {name: pl.coalesce(group[name], name) for name in FACTS if name in group}
    tag = {"part": group["tag"] == "P"} if "tag" in group else {}
    return (
        records.with_columns(groups)
        .with_columns(
            line=line,
            envelope=pl.concat_str(pl.lit(prefix.name), "envelope", separator="+", ignore_nulls=True),
            sure=pl.col("sure") | prefix.sure,
            loose=pl.col("loose") | prefix.loose,
            **said,
            **tag,
        )
        .drop("_groups")
    )


def _trusted(found: pl.DataFrame, formats: Sequence[Format]) -> pl.DataFrame:
    """Return those of *found* whose prefixes tell for sure, look like lines, or have the prefixes of such."""
    kept = pl.col("sure")
    if not found["sure"].all():
        likely = found.select(promising(formats)).to_series()
        names = found.filter(likely & ~found["loose"])["envelope"].unique()
        kept = kept | likely | (~pl.col("loose") & pl.col("envelope").is_in(names.implode()))
    return found.filter(kept)
