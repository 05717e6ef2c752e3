"""Options of the tests, and what many of them use."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import azure_server
import bucket_server
import pytest
from broken_disk import Disk, build
from logs import World

Server = TypeVar("Server", bucket_server.Bucket, azure_server.Container)


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tests from what this user has kept and settled, and that from the tests."""
    for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        os.environ[variable] = str(tmp_path_factory.mktemp("own"))


@pytest.fixture(params=[(r, e) for r in ("running", "stopped") for e in ("events", "poll")], ids="-".join)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A log that is followed in four ways: the follower runs across each event or not, and is told of it or not."""
    running, events = request.param
    with World(tmp_path, running=running == "running", events=events == "events") as each:
        yield each


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that lets a process see a broken disk."""
    return build(tmp_path_factory.mktemp("broken_disk"))


@pytest.fixture
def disk(library: Path, tmp_path: Path) -> Iterator[Disk]:
    """A disk that fails on request, and records what is forced to it."""
    with Disk(library, tmp_path) as made:
        yield made


@pytest.fixture
def anywhere() -> Iterator[Path]:
    """A folder that every user can come to: not so those of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bucket_server.Bucket]:
    """An empty bucket that this process reaches, as those do that it starts."""
    yield from _reached(bucket_server.started(tmp_path), monkeypatch)


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[azure_server.Container]:
    """The same of Azure."""
    yield from _reached(azure_server.started(tmp_path), monkeypatch)


def _reached(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    from ingest.warehouse.storage.bucket import made

    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    made.cache_clear()
    yield server
    server.close()
    made.cache_clear()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The path of a log that isn't there yet."""
    return tmp_path / "maestro.log"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden", action="store_true", help="write what is expected anew; read the difference before a commit"
    )
