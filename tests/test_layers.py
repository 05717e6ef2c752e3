"""The folders are the architecture: which package, and which wing of it, may import which, read from the imports.

The picture is in `docs/architecture.md`.
"""

import ast
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from mutations import MUTATIONS

ROOT = Path(__file__).parent.parent
OWN = {"parsers", "ingest", "queries"}
MAY_IMPORT = {
    "parsers": {"parsers", "numpy", "polars", "pyarrow"},
    "ingest": {
        "parsers",
        "ingest",
        "numpy",
        "polars",
        "pyarrow",
        "deltalake",
        "genai_prices",
        "watchdog",
        "obstore",
        "boto3",
        "xxhash",
        "adbc_driver_postgresql",
        "ray",
        "distributed",
    },
    "queries": {
        "parsers",
        "queries",
        "duckdb",
        "numpy",
        "polars",
        "pyarrow",
        "deltalake",
        "rich",
        "altair",
        "vl_convert",
        "starlette",
        "uvicorn",
        "textual",
    },
    "roof": OWN | {"click", "rich", "polars", "duckdb"},
}
INGEST = {
    "following": {"reading", "files", "prices", "ledger"},  # a warehouse is what the ledger says that it is
    "history": {"reading", "files", "prices", "ledger"},
    "databases": {"reading", "files", "prices", "warehouse", "ledger"},  # for snapshots, which are no rows of a ledger
    "maintenance": {"files", "prices", "warehouse", "warehouse.storage", "ledger"},
    "alerting": {"warehouse", "warehouse.storage", "ledger"},  # and no queries: the roof brings their answers
    "spread": {"reading", "files", "ledger"},  # and no warehouse: the roof says what its tasks do
    "reading": {"files", "prices", "ledger"},  # and never the warehouse: a worker of a cluster reads without one
    "files": {"ledger"},
    "prices": {"ledger"},
    "warehouse": {"warehouse.storage", "ledger"},
    "warehouse.storage": set(),
    "ledger": set(),
    "errors": set(),
}
"""What each wing may import beside itself, `errors` and `parsers`; the roof (`ROOF`) may import everything."""

PARSERS = {
    "catalogue": {"formats", "rows", "blocks", "values", "schema"},
    "formats": {"rows", "jsonl", "blocks", "values", "schema"},
    "mapping": {"rows", "envelopes", "jsonl", "blocks", "values", "schema"},
    "explain": {"catalogue", "mapping", "rows", "claims", "envelopes", "jsonl", "blocks", "values", "schema"},
    "snapshots": {"values", "schema", "columns"},
    "rows": {"jsonl", "blocks", "values", "schema"},
    "claims": {"envelopes", "jsonl", "blocks", "values", "schema", "rows"},
    "envelopes": {"jsonl", "blocks", "values", "schema"},
    "jsonl": {"blocks", "values", "schema"},
    "blocks": {"values", "schema"},
    "values": {"schema"},
    "schema": {"columns"},
    "columns": set(),
}
QUERIES = {
    "connection": set(),
    "answers": {"connection"},
    "show": {"connection", "answers", "show.charts"},
    "show.charts": {"connection", "answers", "show"},
    "web": {"connection", "answers", "show"},
    "live": {"connection", "answers", "show"},
    "errors": set(),
}
RULES = {
    **{f"ingest.{wing}": {f"ingest.{name}" for name in (*may, "errors")} for wing, may in INGEST.items()},
    **{f"parsers.{wing}": {f"parsers.{name}" for name in may} for wing, may in PARSERS.items()},
    **{f"queries.{wing}": {f"queries.{name}" for name in (*may, "errors")} for wing, may in QUERIES.items()},
}
ROOF = {
    "ingest.cli",
    "ingest.public",
    "ingest.opening",
    "ingest.distributed",
    "ingest.checks",
    "ingest.choices",
    "ingest.__main__",
}
FACES = {"ingest", "parsers", "queries"}
"""The packages themselves: what they offer to others, imported when it is asked for."""

ONLY_IN = {
    "deltalake": {
        "ingest/warehouse/table.py",
        "ingest/warehouse/open_table.py",
        "ingest/databases/column_files.py",
        "queries/connection/files.py",
    },
    "obstore": {"ingest/warehouse/storage/bucket.py"},
    "ray": {"ingest/spread/engines.py"},
    "distributed": {"ingest/spread/engines.py"},
    "watchdog": {"ingest/following/file_events.py"},
    "starlette": {"queries/web/app.py"},
    "uvicorn": {"queries/web/listen.py"},
    "textual": {"queries/live/screen.py"},
}
MODULES = sorted(p for stage in OWN for p in (ROOT / stage).rglob("*.py"))
FOLDERS = sorted({p.parent for p in MODULES})
MOST_FILES = 12
FEWEST_LINES = 40
UNNAMED = {"__init__", "__main__", "errors"}
"""Files that are called for what Python or every package has in them, and may be short."""

NAMES = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in MODULES}


@cache
def _tree(path):
    return ast.parse(path.read_text("utf-8"))


def _imports(path):
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            yield node.module


def _stage(path):
    relative = path.relative_to(ROOT)
    return "roof" if _wing(_name(path)) in ROOF else relative.parts[0]


def _name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _wing(module):
    """Return the wing of *module*: the longest beginning of its name that a rule is about."""
    parts = module.split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next(name for name in names if name in RULES or name in ROOF or name in FACES)


def _own_imports(path):
    """Yield the modules of ours that *path* imports, `from package import module` as that module."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in NAMES else node.module for name in inner]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in OWN)


def _system(module):
    """Return the system that a module of `parsers/formats/` reads: its folder there, or its first word."""
    return module.removeprefix("parsers.formats.").split(".")[0].split("_")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_upstream(path):
    packages = {name.split(".")[0] for name in _imports(path)}

    assert packages - set(sys.stdlib_module_names) <= MAY_IMPORT[_stage(path)]


@pytest.mark.parametrize("path", [p for p in MODULES if _wing(_name(p)) in RULES], ids=_name)
def test_each_wing_imports_only_what_its_rule_allows(path):
    wing = _wing(_name(path))
    imported = {_wing(name) for name in _own_imports(path)}
    ours = {name for name in imported if name.split(".")[0] == wing.split(".")[0]}

    assert ours - {wing} <= RULES[wing]


def test_the_picture_shows_every_wing_and_every_module_beside_them():
    picture = (ROOT / "docs" / "architecture.md").read_text("utf-8").split("## Which wing")[0]
    shown = {name for rule in (*RULES, *ROOF) for name in [rule.split(".")[-1]] if not name.startswith("__")}

    assert [name for name in sorted(shown) if f"{name}/" not in picture and f"{name}.py" not in picture] == []


def test_every_module_is_in_a_wing_on_the_roof_or_a_face():
    assert {_wing(_name(path)) for path in MODULES} == {*RULES, *ROOF, *FACES}


@pytest.mark.parametrize("path", [p for p in MODULES if _wing(_name(p)) == "parsers.formats"], ids=_name)
def test_no_format_imports_another_systems(path):
    own = _system(_name(path))
    others = {_system(name) for name in _own_imports(path) if name.startswith("parsers.formats.")} - {own}

    assert not others


@pytest.mark.parametrize("path", [p for p in MODULES if _wing(_name(p)) not in ROOF], ids=_name)
def test_only_the_roof_imports_the_command_line(path):
    assert not [name for name in _own_imports(path) if name.startswith("ingest.cli")]


@pytest.mark.parametrize("package", ONLY_IN)
def test_one_module_knows_each_outside_world(package):
    users = {str(p.relative_to(ROOT)) for p in MODULES if package in {n.split(".")[0] for n in _imports(p)}}

    assert users <= ONLY_IN[package]


@pytest.mark.parametrize("path", [p for p in MODULES if _stage(p) == "parsers"], ids=lambda p: p.name)
def test_parsers_touch_neither_files_nor_clock_nor_environment(path):
    forbidden = {"os", "pathlib", "time", "socket", "urllib", "subprocess", "io", "tempfile", "random"}

    assert not forbidden & {name.split(".")[0] for name in _imports(path)}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_wing_is_small_enough_to_be_read_at_a_glance(folder):
    one_each = {"ingest/cli", "parsers/formats"}  # a command a file, and a format a file

    assert str(folder.relative_to(ROOT)) in one_each or len([*folder.glob("*.py")]) <= MOST_FILES


def test_no_two_files_of_a_wing_have_one_name():
    named = Counter((_wing(_name(p)).split(".")[:2][-1], p.stem) for p in MODULES if p.stem not in UNNAMED)

    assert [twice for twice, count in named.items() if count > 1] == []


def test_across_wings_only_a_command_has_the_name_of_the_idea_that_it_calls():
    beside = [p for p in MODULES if p.stem not in UNNAMED and p.parent != ROOT / "ingest" / "cli"]
    named = Counter(p.stem for p in beside)

    assert [twice for twice, count in named.items() if count > 1] == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_names_say_what_is_in_them(path):
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "stuff"}


@pytest.mark.parametrize("path", [p for p in MODULES if p.stem not in UNNAMED], ids=_name)
def test_a_file_is_as_long_as_an_idea(path):
    one_each = {ROOT / "ingest" / "cli", ROOT / "parsers" / "formats"} & set(path.parents)

    assert one_each or len(path.read_text("utf-8").splitlines()) >= FEWEST_LINES


@pytest.mark.parametrize("guard", MUTATIONS)
def test_each_guard_that_mutations_take_out_is_still_where_they_look_for_it(guard):
    file, text, without, tests = MUTATIONS[guard]

    assert text in (ROOT / file).read_text("utf-8")
    assert text != without
    assert all((ROOT / test).exists() for test in tests.split())
