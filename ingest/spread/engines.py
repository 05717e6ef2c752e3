"""What runs functions in other processes: those of this machine, a Ray or a Dask cluster. Each is a few lines here.

None is imported before it is asked for, and nothing of ours schedules, replicates or elects. An engine is given
functions by reference, which it must be able to import where it runs, and plain values.
"""

import logging
import multiprocessing
import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from typing import Protocol, TypeVar

from ingest.errors import IngestError
from ingest.reading.parse_ahead import usable_cores

log = logging.getLogger(__name__)

TRIES = 4
"""How often a task is given away whose worker is lost each time: such a task may be what its workers die of."""

THREADS = 2
"""How many threads parse in a worker, one of as many as there are processors: each would else take all of them."""

_ENVIRONMENT = {"POLARS_MAX_THREADS": str(THREADS)}
"""What a worker starts with."""

_Part = TypeVar("_Part", bound=Hashable)
_Read = TypeVar("_Read")


class Engine(Protocol):
    """So many `workers`, and what a task raises whose worker was `lost`: it may be given away again."""

    workers: int
    lost: tuple[type[BaseException], ...]

    def submit(self, each: Callable[..., _Read], *given: object) -> "Future[_Read]":
        """Have *each* called with what is *given*, by some worker."""

    def close(self) -> None:
        """End what is still running."""


def engine_of(text: str) -> Engine:
    """Return the engine that *text* names, as `--on` takes it: `processes:4`, `ray`, `ray:2`, `ray:ADDRESS`, `dask`.

    Raises:
        IngestError: There is no such engine, it isn't installed, or nothing answers at its address.
    """
    name, _, where = text.partition(":")
    if name not in _ENGINES:
        raise IngestError(f"--on {text}: no such engine; known are {', '.join(_ENGINES)}")
    where = text if where.startswith("//") else where  # ray://head:10001 is an address as it is
    workers = int(where) if where.isdecimal() else None
    if workers == 0:
        raise IngestError(f"--on {text}: at least one worker is needed")
    try:
        return _ENGINES[name](workers, None if workers else where or None)
    except ImportError as error:
        raise IngestError(f"--on {name} needs an extra ({error}): pip install 'llm-ingest[{name}]'") from error


def run(
    engine: Engine, parts: Iterable[_Part], each: Callable[[_Part], _Read]
) -> "Iterator[tuple[_Part, Future[_Read]]]":
    """Have *each* called for each of *parts*, and yield these as they are done, in any order.

    The part of a worker that is lost is done again, by another, and by no more than `TRIES`.
    """
    waiting = {engine.submit(each, part): (part, 1) for part in parts}
    while waiting:
        for done in wait(waiting, return_when=FIRST_COMPLETED).done:
            part, tries = waiting.pop(done)
            if tries < TRIES and isinstance(done.exception(), engine.lost):
                log.warning("a worker was lost that read %s; that is done again", part)
                waiting[engine.submit(each, part)] = part, tries + 1
            else:
                yield part, done


class _Processes:
    """Processes of this machine: what needs nothing but Python."""

    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)

    def __init__(self, workers: int | None, address: str | None) -> None:
        if address is not None:
            raise IngestError(f"--on processes:{address}: behind the colon is how many, such as processes:4")
        self.workers = workers or usable_cores()
        self._pool = self._started()

    def _started(self) -> ProcessPoolExecutor:
        fresh = multiprocessing.get_context("spawn")  # a process with threads, as this one, can't be copied
        return ProcessPoolExecutor(self.workers, fresh, _begin)

    def submit(self, each: Callable[..., _Read], *given: object) -> "Future[_Read]":
        try:
            return self._pool.submit(each, *given)
        except BrokenExecutor:  # with one of its processes a pool is lost
            self._pool = self._started()
            return self._pool.submit(each, *given)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    os.environ.update(_ENVIRONMENT)  # before anything imports Polars here


class _Ray:
    """A Ray cluster: that which runs at an address, or one of this machine, for as long as it is needed."""

    def __init__(self, workers: int | None, address: str | None) -> None:
        import ray
        from ray.exceptions import LocalRayletDiedError, NodeDiedError, ObjectLostError, RayError, WorkerCrashedError

        self._ray, self._is_ours = ray, not ray.is_initialized()
        self.lost: tuple[type[BaseException], ...] = (
            WorkerCrashedError,
            NodeDiedError,
            LocalRayletDiedError,
            ObjectLostError,
        )
        if self._is_ours:
            own = {} if address else {"num_cpus": workers, "include_dashboard": False}
            quiet = {"configure_logging": False, "log_to_driver": False}
            try:
                ray.init(address, runtime_env={"env_vars": _ENVIRONMENT}, **own, **quiet)
            except (ConnectionError, ValueError, RayError) as error:
                raise IngestError(f"--on ray: nothing answers at {address or 'this machine'}: {error}") from error
        self.workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._call = ray.remote(max_retries=0)(_called)  # who is asked again, and how often, is said by us

    def submit(self, each: Callable[..., _Read], *given: object) -> "Future[_Read]":
        done: Future[_Read] = self._call.remote(each, *given).future()
        return done

    def close(self) -> None:
        if self._is_ours:
            self._ray.shutdown()


def _called(each: Callable[..., _Read], *given: object) -> _Read:
    return each(*given)


class _Dask:
    """A Dask cluster: that whose scheduler is at an address, or one of this machine, for as long as it is needed."""

    def __init__(self, workers: int | None, address: str | None) -> None:
        from distributed import Client
        from distributed.scheduler import KilledWorker

        self.lost: tuple[type[BaseException], ...] = (KilledWorker,)
        logging.getLogger("distributed").setLevel(logging.WARNING)
        try:
            own = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None, "env": _ENVIRONMENT}
            self._client = Client(address) if address else Client(**own)
        except (OSError, ValueError) as error:
            raise IngestError(f"--on dask: nothing answers at {address or 'this machine'}: {error}") from error
        self.workers = max(1, len(self._client.scheduler_info()["workers"]))
        self._pool = self._client.get_executor(pure=False)

    def submit(self, each: Callable[..., _Read], *given: object) -> "Future[_Read]":
        done: Future[_Read] = self._pool.submit(each, *given)
        return done

    def close(self) -> None:
        self._client.close()


_ENGINES: dict[str, Callable[[int | None, str | None], Engine]] = {"processes": _Processes, "ray": _Ray, "dask": _Dask}
