"""What reading and a warehouse agree on: where a source stands, what it adds, and who knows both.

Reading knows no warehouse, and a warehouse knows no files: a worker of a cluster reads without one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import NamedTuple, Protocol

import polars as pl
import xxhash

from parsers.jsonl.structure import digests

TAIL = 4096
"""How many bytes before an offset are hashed to tell that a file is still the one that was read."""


def tail_hash(tail: bytes) -> int:
    """Return the hash of *tail*, the bytes before an offset, as a non-negative 63-bit number."""
    return xxhash.xxh3_64_intdigest(tail) & (1 << 63) - 1


class Conflict(Exception):  # noqa: N818 # not an error: another writer was first, and the offsets say how far
    """Another writer has moved an offset that this commit wanted to move; nothing was written."""


@dataclass(frozen=True)
class Position:
    """Where a source resumes: the committed offset, and the hash of the up to 4 KiB before it."""

    offset: int
    tail: int


HOST = "@"
"""What is between the fingerprint of a source and the host that it is of, where that is part of its name."""


def host_of(source_id: str) -> str:
    """Return the host that is part of the name *source_id*; empty for none."""
    return source_id.partition(HOST)[2]


class Copy(NamedTuple):
    """What a file seems to be a copy of: the file *original*, from which *source_id* was read last."""

    source_id: str
    original: str


@dataclass(frozen=True)
class Turn:
    """Whose turn it is to take up the document called *name*: who comes after *number* others."""

    name: str
    number: int


class Batch(NamedTuple):
    """What one source adds in one commit: the rows of the bytes from *start* to *end*.

    `start` is the offset that the source had in the warehouse; None when the warehouse doesn't know the source yet,
    and then the bytes begin at 0. `digest` and `tail` are as in the table `batches`. `births` is how often a source
    of the same `family` (the digest of its first line) had been named when this one was; both only count for a new one.
    `missing` says of other sources, which ended and nothing was found to go on there, how many bytes that may be.
    `turn` is that of a document: it was compared with what those before it had added, so nobody may come between.
    `unread` is how many of its lines speak of tokens and a model, and no format read them.
    """

    source_id: str
    source_path: str
    start: int | None
    end: int
    digest: str | None
    tail: int
    calls: pl.DataFrame
    events: pl.DataFrame
    rejects: pl.DataFrame
    family: str = ""
    births: int = 0
    missing: Mapping[str, int] = MappingProxyType({})
    turn: Turn | None = None
    unread: int = 0


FRAMES = {"calls": "llm_calls", "events": "llm_events", "rejects": "rejects"}
"""The rows of a batch, and the table that each go to."""


class Ledger(Protocol):
    """Where sources resume and rows go: a warehouse, or a dry run of one."""

    @property
    def hosts(self) -> Sequence[str]:
        """The hosts whose sources a file may be, the first of which names new ones: "" stands for no host.

        In a warehouse that many hosts write to, the logs of two may begin alike and yet be two.
        """

    def position(self, source_id: str) -> Position | None:
        """Return where *source_id* resumes; None when it isn't known."""

    def sources(self) -> dict[str, Position]:
        """Return every source that is known, with where it resumes."""

    def labels(self) -> dict[str, list[str]]:
        """Return under which paths each source was read, the last path last; the source that was read last is last."""

    def boundaries(self, source_ids: Collection[str]) -> list[tuple[str, Position]]:
        """Return where the batches of *source_ids* ended, the nearest first."""

    def births(self, family: str) -> int:
        """Return how often sources whose first line is *family* were named."""

    def turns(self, name: str) -> int:
        """Return how often the document called *name* was taken up."""

    def marks_under(self, paths: Collection[str]) -> pl.DataFrame:
        """Return `source_id`, `source_path` and `mark` of all records that were read under one of *paths*."""

    def marks(self, source_ids: Sequence[str], start: int) -> pl.DataFrame:
        """Return `source_id`, `source_offset` and `mark` of the records of *source_ids* from *start* on."""

    def is_indistinct(self, source_id: str) -> bool:
        """Tell whether *source_id* has calls, and none says a time or an identifier: another log may hold the same."""

    def copies(self) -> Mapping[str, Copy]:
        """Return the files that were taken for copies of sources that are indistinct, by their paths."""

    def note_copies(self, copies: Mapping[str, Copy]) -> None:
        """Remember that files, by their paths, were taken for *copies*."""

    def kept_since(self, source_ids: Sequence[str]) -> date | None:
        """Return the day before which rows of *source_ids* may have been taken out; None if none were."""

    def objects(self) -> Mapping[str, int]:
        """Return the stamps of objects of buckets that were read to their ends, by their addresses."""

    def note_objects(self, stamps: Mapping[str, int]) -> None:
        """Remember that objects, by their addresses, were read as they were when they had these *stamps*."""

    def taken(self, source_id: str, since: datetime) -> pl.DataFrame:
        """Return `created_at` and `dedupe_key` of the calls of *source_id* from *since* on."""

    def refresh(self) -> None:
        """See what other writers have committed."""

    def commit(self, batches: Sequence[Batch]) -> None:
        """Add *batches*, of different sources, in one commit."""

    def secure(self) -> None:
        """Make durable what others have committed."""


_TIME = pl.when(pl.col("ts_source") == "log").then(pl.col("created_at").dt.epoch("us")).cast(pl.String)


TELLS = (pl.col("ts_source") == "log").fill_null(value=False) | pl.col("request_id").is_not_null()
"""Whether a call says something that no other call does: when it was, or how it is identified."""

_TOTAL = pl.when(pl.all_horizontal(pl.col("request_tokens", "response_tokens").is_null())).then("total_tokens")
_LOGGED = pl.when(pl.col("created_at").ne_missing(pl.col("ingested_at"))).then(pl.col("created_at").dt.epoch("us"))


def _joined(what: str, *said: str | pl.Expr) -> pl.Expr:
    """Return *what* and all that is *said*, what isn't said being empty, as one text."""
    columns = [pl.col(each) if isinstance(each, str) else each for each in said]
    return pl.concat_str(pl.lit(what), *(each.cast(pl.String).fill_null("") for each in columns), separator=" ")


_MARKS = {
    "llm_calls": _joined(
        "call", _TIME, "model", "request_id", _TOTAL, "request_tokens", "response_tokens", "success", "error"
    ),
    "llm_events": _joined("event", _LOGGED, "kind", "reason"),
    "rejects": pl.lit("reject ") + digests(pl.col("line")),
}


def marked(table: str, rows: pl.LazyFrame, *more: pl.Expr) -> pl.LazyFrame:
    """Return `source_id`, `source_offset` and `mark` of each of *rows* of *table*, and *more* about it.

    What the log doesn't say is left out: a time is then that of the reading, and another one each time.
    """
    return rows.select("source_id", "source_offset", _MARKS[table].alias("mark"), *more)
