"""The views and reports as SQL for Spark: `tools/spark_sql.py` has translated them, here they get a warehouse's place.

Of some of our reports there is no translation; which, and why, is written beside the others.
"""

import shutil
from importlib.resources import as_file
from importlib.resources import files as resources
from pathlib import Path

from parsers.columns import ALL_TABLES, DIMS, Column

TRANSLATED = resources("queries") / "spark"

_TABLES = "tables.sql"

_TYPES = {"varchar": "string", "integer": "int", "blob": "binary", "timestamptz": "timestamp"}
"""What types of columns are called in Spark, where not as everywhere."""


def write(folder: Path, warehouse: str) -> None:
    """Write into *folder* the SQL that opens the tables of *warehouse* in Spark, and the views and reports on them."""
    with as_file(TRANSLATED) as translated:
        shutil.copytree(translated, folder)
    (folder / _TABLES).write_text(tables(warehouse), encoding="utf-8")


def untranslated() -> dict[str, str]:
    """Return which reports are not among them, with the reason."""
    lines = (TRANSLATED / "untranslated.txt").read_text(encoding="utf-8").splitlines()
    return {name: why for name, _, why in (line.partition(": ") for line in lines)}


def tables(warehouse: str) -> str:
    """Return the SQL that calls the tables of *warehouse*, a folder or an address, as the views do.

    What only some warehouses have, and snapshots, are empty ones.
    """
    place = warehouse if "://" in warehouse else Path(warehouse).absolute().as_posix()
    place = "s3a" + place.removeprefix("s3") if place.startswith("s3://") else place
    made = [
        f"create or replace temporary view stored_{name} as select * from delta.`{place}/{name}`;\n"  # noqa: S608 # our names
        for name in ALL_TABLES
        if name != "alerts"
    ]
    empty = {"alerts": {column.name: column.type for column in ALL_TABLES["alerts"]}, **DIMS}
    for name, types in empty.items():
        columns = ", ".join(f"cast(null as {_TYPES.get(kind, kind)}) as {column}" for column, kind in types.items())
        made.append(f"create or replace temporary view stored_{name} as select {columns} where false;\n")
    return "\n".join(made)


def schema(columns: tuple[Column, ...]) -> str:
    """Return *columns* as Spark's DDL."""
    return ", ".join(f"{column.name} {_TYPES.get(column.type, column.type)}" for column in columns)
