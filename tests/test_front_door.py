"""The functions that programs call: their examples hold, and importing them costs nothing until they are called."""

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import ingest
import queries

ROOT = Path(__file__).parent.parent
DOORS = [
    (ingest, "backfill"),
    (ingest, "follow"),
    (ingest, "alternatives"),
    (queries, "connect"),
    (queries, "run"),
    (queries, "chart"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the fixtures and a warehouse, as the examples expect."""
    folder = tmp_path_factory.mktemp("door")
    (folder / "fixtures").symlink_to(ROOT / "fixtures")
    ingest.backfill(ROOT / "fixtures" / "rc3" / "maestro.log", folder / "warehouse")
    return folder


@pytest.mark.parametrize(("package", "name"), DOORS, ids=[name for _, name in DOORS])
def test_the_example_of_each_public_function_holds(folder, tmp_path, monkeypatch, package, name):
    fresh = name == "backfill"  # whose example makes the warehouse
    monkeypatch.chdir(tmp_path if fresh else folder)
    if fresh:
        (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(package, name), name, globs={})

    assert example.examples
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0


@pytest.mark.parametrize("package", [ingest, queries], ids=lambda package: package.__name__)
def test_everything_that_a_package_offers_is_there_and_says_what_it_is(package):
    assert [name for name in package.__all__ if not getattr(package, name).__doc__] == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        package.nothing  # noqa: B018


def test_importing_both_packages_imports_neither_polars_nor_duckdb():
    asked = "import sys, ingest, queries; queries.QueryError, ingest.IngestError"
    asked += "; print({'polars', 'duckdb', 'deltalake'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout == "set()\n"


def test_progress_ends_with_all_that_there_is_to_read(tmp_path):
    log = ROOT / "fixtures" / "rc3" / "maestro.log"
    told = []
    ingest.backfill([log], tmp_path / "w", progress=lambda *step: told.append(step))

    assert told[-1] == (log.stat().st_size, log.stat().st_size, log)


def test_a_backfill_that_is_only_tried_writes_nothing(tmp_path):
    done = ingest.backfill(ROOT / "fixtures" / "rc3" / "maestro.log", tmp_path / "w", dry_run=True)

    assert done.totals.calls == 766
    assert not (tmp_path / "w").exists()


def test_what_a_user_can_mend_is_one_kind_of_error(tmp_path):
    with pytest.raises(ingest.IngestError, match="no format 'nothing'"):
        ingest.backfill([], tmp_path / "w", format_name="nothing")
    with pytest.raises(queries.QueryError, match=r"no report called 'tmp'.* did you mean tpm"):
        queries.load("tmp")
