"""Names of a user's own, from a CSV file: which team a user, a project or a host belongs to, and the like.

    user_id,team,cost_centre
    ada,search,4711

One column says whose the names are, called as in the table of calls or as the filters call it (`user`, `host`).
The snapshot has the name of the file, and its other columns are what reports may ask for: `dims.teams.team`.
"""

import csv
import io
import re
from collections import Counter
from pathlib import Path

import polars as pl

from ingest.errors import SourceError, reason
from parsers.columns import DIMS, key_column
from parsers.snapshots import is_kept
from parsers.values.by_hand import text_of

SUFFIXES = (".csv", ".tsv")


def read(path: Path) -> tuple[str, pl.DataFrame]:
    """Return the name of the snapshot that the file at *path* makes, and its rows, all text; blank is NULL.

    Raises:
        SourceError: It can't be read, has no key, or says two things of one.
    """
    name = path.stem.lower()
    if not re.fullmatch(r"[a-z_]\w*", name) or name in DIMS:
        raise SourceError(f"{path}: call the file by one word that is not {', '.join(DIMS)}; reports will name it so")
    try:
        text = text_of(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: {reason(error)}") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=text.partition("\n")[0].count))
    columns = [column for column in reader.fieldnames or [] if column and is_kept(column)]
    key = key_column(columns)
    if key is None:
        raise SourceError(f"{path}: no column says whose the names are: call one user, project, host or the like")
    rows = [{column: (row[column] or "").strip() or None for column in columns} for row in reader]
    rows = [row for row in rows if row[key] is not None]
    if twice := [value for value, times in Counter(row[key] for row in rows).items() if times > 1]:
        raise SourceError(f"{path}: {key} {twice[0]!r} is there twice")
    return name, pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String))
