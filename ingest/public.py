"""The two functions that programs call, and the command line too: follow logs, and read history, into a warehouse."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ingest.databases import column_files
from ingest.databases.detect import may_hold_databases
from ingest.errors import IngestError, SourceError, WarehouseError, complaint
from ingest.files.paths import find, folders
from ingest.history.backfill import Outcome
from ingest.history.backfill import backfill as read_all
from ingest.maintenance.compact import compact, crowded
from ingest.opening import Order, files_of, read_objects, unread
from ingest.reading.intake import Intake
from ingest.reading.publisher import Totals
from ingest.warehouse.storage.locks import BusyError
from ingest.warehouse.storage.store import ADDRESS, SCHEMES

if TYPE_CHECKING:
    from ingest.warehouse.storage.bucket_logs import Object

Paths = str | Path | Iterable[str | Path]

MANY_COMMITS = 20
"""A backfill of so many commits may leave many small files, which it then merges."""


@dataclass(frozen=True)
class Backfilled:
    """What a backfill brought: `totals` of rows, `outcome` by file, and how many databases were `left_out`."""

    totals: Totals
    outcome: Outcome
    left_out: int = 0


class Look(NamedTuple):
    """How far a follower is after a look: files that it tracks, bytes `behind` their ends, rows committed so far.

    `unread` says of how many lines of a file tokens and a model are told, and no format reads them.
    """

    files: int
    behind: int
    totals: Totals
    unread: Mapping[Path, int]


def backfill(  # noqa: PLR0913 # one parameter an option
    paths: Paths,
    warehouse: str | Path = "warehouse",
    *,
    format_name: str | None = None,
    mapping: Paths | None = None,
    prices: str | Path | None = None,
    keep_raw: bool = False,
    host: str | None = None,
    not_a_copy: bool = False,
    jobs: int | None = None,
    tables: Sequence[str] = (),
    dry_run: bool = False,
    on: str | None = None,
    progress: Callable[[int, int, Path], None] | None = None,
) -> Backfilled:
    """Read *paths* to their ends, once, into the *warehouse*, a folder that is made when it isn't there.

    Read again, or under another name, what is there already adds nothing.

        >>> import ingest
        >>> done = ingest.backfill("fixtures/rc3/maestro.log", "warehouse")
        >>> done.totals.calls, done.totals.events, round(done.totals.cost_usd, 2), done.outcome.bytes
        (766, 1316, 92.45, 949322)
        >>> ingest.backfill("fixtures/rc3/maestro.log", "warehouse").totals.calls
        0

    Args:
        paths: files, folders and globs, plain or packed, `-` for standard input, SQLite files, PostgreSQL URLs, Parquet
            and Arrow files, and Delta tables; the rotated generations of a file belong to it. Logs in a bucket:
            `s3://bucket/logs/**/*.gz`, of which those that were read and didn't change since aren't fetched.
        warehouse: folder of the Delta tables `llm_calls`, `llm_events`, `rejects` and `batches`.
        format_name: read only this format, instead of any known one.
        mapping: TOML file that describes the lines of a log of your own; several are tried in their order.
        prices: TOML file of your own prices; otherwise `prices.toml` in the warehouse, if there is one.
        keep_raw: keep the text of rejected records, prompts and keys in it included, and not only their structure.
        host: the machine that *paths* come from, for the column `host` of calls that don't say it themselves. In a
            bucket it is part of what tells a log from one of another machine that begins alike.
        not_a_copy: read files that hold the same as another, and say no times, as logs of their own.
        jobs: how many blocks of 8 to 31 MB are parsed at once, all cores by default; each takes some 100 MB of memory.
        tables: tables of databases to read, instead of all known ones.
        dry_run: count what would be added, and write nothing.
        on: have the files read by other processes: `processes:4` of this machine, `ray`, `ray:ADDRESS`, `dask`,
            `dask:ADDRESS`. They find files and warehouse under the same names. In a program that is run as a file,
            `processes` and `dask` need this call below `if __name__ == "__main__":`.
        progress: called with bytes read so far, bytes to read in all (as they are on the disk), and the file.

    Returns:
        Rows, tokens and US dollars that were committed, and what became of the files. A file that can't be read is one
        line in `outcome.failed` and stops no other.

    Raises:
        SourceError: A path names nothing.
        WarehouseError: The warehouse can't be written; what was committed stays, and a later run goes on from there.
        IngestError: There is no such format, or the mapping or the prices are wrong.
    """
    if on and dry_run:
        raise IngestError("a dry run counts on this machine: leave out --on")
    texts = _texts(paths)
    addresses = [text for text in texts if text.startswith(SCHEMES)]
    databases, others, left_out = _sorted_out([text for text in texts if text not in addresses], tables)
    columns, others = column_files.split(others)
    objects = _listed(addresses) if addresses else []
    listing = find(others)
    order = Order(str(warehouse), format_name, files_of(mapping), prices, keep_raw, host, not_a_copy, jobs)
    told = progress and _summed(listing.files, progress)
    with order.intake(dry_run=dry_run) as intake:
        if on:
            from ingest import distributed

            outcome = distributed.backfill(on, listing, objects, order, intake, progress=told)
        else:
            outcome = read_all(listing, intake, progress=told)
            if objects:
                outcome.add(read_objects(unread(objects, intake.ledger), intake))
        if columns:
            _read_columns(columns, intake, outcome)
        if databases:
            from ingest.databases.polling import backfill_tables  # with sqlite3, which logs need not wait for

            outcome.tables, failed = backfill_tables(databases, tables, intake.publisher)
            outcome.failed += failed
    if not dry_run and intake.totals.commits >= MANY_COMMITS:
        _tidy(str(warehouse), outcome)
    return Backfilled(intake.totals, outcome, left_out)


def follow(  # noqa: PLR0913 # one parameter an option
    paths: Paths,
    warehouse: str | Path = "warehouse",
    *,
    format_name: str | None = None,
    mapping: Paths | None = None,
    prices: str | Path | None = None,
    keep_raw: bool = False,
    host: str | None = None,
    not_a_copy: bool = False,
    jobs: int | None = None,
    tables: Sequence[str] = (),
    once: bool = False,
    inbox: bool = False,
    interval: float = 1.0,
    events: bool = True,
    on_start: Callable[[Callable[[], None]], object] | None = None,
    on_look: Callable[[Look], object] | None = None,
) -> Totals:
    """Follow *paths* as they grow and are rotated, into the *warehouse*, until stopped; go on where the last run ended.

    What is there already is read first. Paths need not exist yet. In one thread this blocks until it is stopped:

        >>> import ingest
        >>> ingest.follow("fixtures/rc3/maestro.log", "followed", once=True).calls
        766
        >>> stops = []
        >>> ingest.follow(["*.log"], "followed", on_start=stops.append, on_look=lambda look: stops[0]()).calls
        0

    Args:
        paths: files, folders, globs, SQLite files and PostgreSQL URLs; globs are looked up again at each look.
        warehouse: folder of the Delta tables, made when it isn't there.
        format_name: read only this format, instead of any known one.
        mapping: TOML file that describes the lines of a log of your own; several are tried in their order.
        prices: TOML file of your own prices; otherwise `prices.toml` in the warehouse, if there is one.
        keep_raw: keep the text of rejected records, prompts and keys in it included, and not only their structure.
        host: the machine that *paths* come from, for the column `host` of calls that don't say it themselves. In a
            bucket it is part of what tells a log from one of another machine that begins alike.
        not_a_copy: read files that hold the same as another, and say no times, as logs of their own.
        jobs: how many blocks of 8 to 31 MB are parsed at once, all cores by default; each takes some 100 MB of memory.
        tables: tables of databases to read, instead of all known ones.
        once: catch up, commit, and return.
        inbox: put batches into the inbox of a bucket, for another process to commit them together with those of other
            hosts, instead of committing them.
        interval: seconds from a line being written to its commit, at most.
        events: let file events wake it; otherwise it only looks each *interval*.
        on_start: called once with a function that stops it, from any thread or signal handler.
        on_look: called after each look, and at the end; what it raises ends the following.

    Returns:
        Rows, tokens and US dollars that this run committed.

    Raises:
        WarehouseError: The warehouse can't be written, and *once* was asked for, or it is time to end; otherwise it
            waits until it can.
        IngestError: There is no such format, or the mapping or the prices are wrong.
    """
    from ingest.alerting.beside import Beside
    from ingest.databases.detect import shown, split
    from ingest.databases.polling import Polling
    from ingest.following.file_events import Wakeups
    from ingest.following.follower import Follower
    from ingest.following.loop import follow as look_again
    from ingest.maintenance.background import Upkeep

    texts = _texts(paths)
    databases, others = split(texts)
    others = column_files.left_out(others, alone=not databases) if others else others
    order = Order(str(warehouse), format_name, files_of(mapping), prices, keep_raw, host, not_a_copy, jobs)
    with (
        Wakeups(events=events and not once, ignore=[Path(warehouse)]) as wakeups,
        order.intake(inbox=inbox) as intake,
    ):
        if not inbox and not once and ADDRESS in str(warehouse):
            from ingest.warehouse.inbox import keep_folding

            keep_folding(str(warehouse))
        if on_start:
            on_start(wakeups.stop)
        polling = Polling(databases, intake.publisher, tables) if databases else None
        follower = Follower(others, intake, interval, polling.look if polling else None)
        upkeep, rules = Upkeep(str(warehouse)), Beside(str(warehouse))

        def looked() -> None:
            if on_look:
                on_look(Look(len(follower.tracked), follower.behind, intake.totals, follower.unread))

        def wait(seconds: float) -> bool:
            wakeups.watch(folders([text for text in texts if text == shown(text)]))
            looked()
            if not inbox:  # whose hosts need no right to delete
                upkeep.look(intake.totals.commits)
            rules.look(intake.totals.commits)
            return wakeups.wait(seconds)

        try:
            look_again(follower, wait, once=once)
        finally:
            looked()
            rules.look(intake.totals.commits)
            rules.close(wait=once)
            follower.close()
            if polling:
                polling.close()
        return intake.totals


def _texts(paths: Paths) -> list[str]:
    return [str(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]


def _sorted_out(paths: Sequence[str], tables: Sequence[str]) -> tuple[list[str], Sequence[str], int]:
    """Return the databases among *paths*, the others, and how many databases in folders hold no known table."""
    if not may_hold_databases(paths):
        return [], paths, 0
    from ingest.databases.polling import sorted_out

    return sorted_out(paths, tables)


def _read_columns(files: Iterable[Path], intake: Intake, outcome: Outcome) -> None:
    """Read *files* of columns; one that can't be read doesn't stop the others."""
    for path in files:
        try:
            if not column_files.backfill(path, intake):
                outcome.unknown.append(path)
            outcome.bytes += path.stat().st_size
        except (OSError, SourceError) as error:
            outcome.failed.append(complaint(path, error))
        outcome.files += 1


def _listed(addresses: Iterable[str]) -> "list[Object]":
    from ingest.warehouse.storage.bucket_logs import listed  # with obstore, which files need not wait for

    return [each for address in addresses for each in listed(address)]


def _summed(files: Iterable[Path], progress: Callable[[int, int, Path], None]) -> Callable[[int, Path], None]:
    """Return what to call with the bytes of each read, so that *progress* hears of all so far, and of all there are."""
    size, done = sum(file.stat().st_size for file in files if file.is_file()), 0

    def told(taken: int, path: Path) -> None:
        nonlocal done
        done += taken
        progress(done, size, path)

    return told


def _tidy(warehouse: str, outcome: Outcome) -> None:
    """Merge small files, unless somebody else does; what was read is there even if that fails."""
    try:
        compact(warehouse, fewest=crowded)
    except BusyError:
        return
    except WarehouseError as error:
        outcome.failed.append(str(error))
