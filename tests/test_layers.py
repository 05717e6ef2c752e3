"""The folders are the architecture: parsers ← ingest, parsers ← queries, and only the command line sees everything."""

import ast
import sys
from pathlib import Path

import pytest

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
        "xxhash",
        "adbc_driver_postgresql",
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
    },
    "roof": OWN | {"click", "rich", "polars", "duckdb"},
}
ONLY_IN = {
    "deltalake": {
        "ingest/warehouse/table.py",
        "ingest/warehouse/parquet_files.py",
        "ingest/warehouse/open_table.py",
        "ingest/maintenance/compact.py",
        "queries/connection/files.py",
    },
    "watchdog": {"ingest/following/file_events.py"},
}
BELOW = {
    "following": {"reading", "files", "prices", "warehouse"},
    "history": {"reading", "files", "prices", "warehouse"},
    "databases": {"reading", "files", "prices", "warehouse"},
    "maintenance": {"files", "prices", "warehouse"},
    "reading": {"files", "prices"},
    "files": set(),
    "prices": set(),
    "warehouse": set(),
}
"""Which wings of `ingest` each may import; all may what they agree on: its modules that are in no wing."""
MODULES = sorted(p for stage in OWN for p in (ROOT / stage).rglob("*.py"))


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            yield node.module


def _stage(path):
    relative = path.relative_to(ROOT)
    return "roof" if relative.parts[:2] in {("ingest", "cli"), ("ingest", "__main__.py")} else relative.parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_upstream(path):
    packages = {name.split(".")[0] for name in _imports(path)}

    assert packages - set(sys.stdlib_module_names) <= MAY_IMPORT[_stage(path)]


@pytest.mark.parametrize("path", [p for p in MODULES if _stage(p) in {"parsers", "ingest", "queries"}], ids=str)
def test_only_the_roof_imports_the_command_line(path):
    assert not [name for name in _imports(path) if name.startswith("ingest.cli")]


def test_each_wing_of_ingest_is_in_its_place():
    assert {path.name for path in (ROOT / "ingest").iterdir() if (path / "__init__.py").exists()} == {*BELOW, "cli"}


@pytest.mark.parametrize("wing", sorted(BELOW))
def test_a_wing_of_ingest_imports_only_those_below_it(wing):
    names = {name for path in (ROOT / "ingest" / wing).rglob("*.py") for name in _imports(path)}
    used = {name.split(".")[1] for name in names if name.startswith("ingest.")}

    assert used & {*BELOW, "cli"} <= BELOW[wing] | {wing}


@pytest.mark.parametrize("package", ["deltalake", "watchdog"])
def test_one_module_knows_each_outside_world(package):
    users = {str(p.relative_to(ROOT)) for p in MODULES if package in {n.split(".")[0] for n in _imports(p)}}

    assert users <= ONLY_IN[package]


@pytest.mark.parametrize("path", [p for p in MODULES if _stage(p) == "parsers"], ids=lambda p: p.name)
def test_parsers_touch_neither_files_nor_clock_nor_environment(path):
    forbidden = {"os", "pathlib", "time", "socket", "urllib", "subprocess", "io", "tempfile", "random"}

    assert not forbidden & {name.split(".")[0] for name in _imports(path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_hold_one_idea(path):
    assert len(path.read_text("utf-8").splitlines()) <= 400
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}
