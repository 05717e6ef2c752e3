"""What a backfill or a follower was asked for, by names and paths, and the way into the warehouse that follows."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.choices import allow_labels, check_host, formats_of, mappings_in, prices_of
from ingest.files.paths import find
from ingest.history.backfill import Outcome
from ingest.history.backfill import backfill as read_all
from ingest.reading.intake import Intake
from ingest.reading.parse_ahead import Ahead
from ingest.warehouse.dry_run import Rehearsal
from ingest.warehouse.storage.store import ADDRESS
from ingest.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.choices import Mappings
    from ingest.ledger import Ledger
    from ingest.warehouse.storage.bucket_logs import Object
    from parsers import Format


@dataclass(frozen=True)
class Order:
    """Into which `warehouse`, and how: plain values, which another process understands as well.

    The fields are as `ingest.backfill` takes them.
    """

    warehouse: str
    format_name: str | None = None
    mapping: tuple[str, ...] = ()
    prices: str | Path | None = None
    keep_raw: bool = False
    host: str | None = None
    not_a_copy: bool = False
    jobs: int | None = None

    def formats(self) -> "Sequence[Format]":
        """Return the formats to read, once what the warehouse says of labels holds.

        Raises:
            IngestError: There is no such format, or the mapping or the labels are wrong.
        """
        formats = formats_of(self.format_name, mappings_in(self.mapping))
        allow_labels(self.warehouse)
        return formats

    def intake(self, *, dry_run: bool = False, inbox: bool = False) -> Intake:
        """Return the way into the warehouse, which is made once all that was asked for is good.

        Raises:
            WarehouseError: It can't be opened.
            IngestError: There is no such format, or the mapping, the prices or the host are wrong.
        """
        formats = self.formats()
        priced_by = prices_of(self.prices, self.warehouse)
        if ADDRESS in self.warehouse:
            check_host(self.host)
        if inbox:
            from ingest.warehouse.inbox import Inbox

            ledger: Ledger = Inbox(self.warehouse, self.host)
        elif dry_run:
            ledger = Rehearsal(self.warehouse, host=self.host)
        else:
            ledger = Warehouse(self.warehouse, make=True, host=self.host)
        return Intake(ledger, priced_by, formats, self.keep_raw, self.host, self.not_a_copy, ahead=Ahead(self.jobs))


def files_of(mapping: "Mappings") -> tuple[str, ...]:
    """Return the paths of files of *mapping*: one, some, or none."""
    return tuple(map(str, [mapping] if isinstance(mapping, str | Path) else mapping or ()))


def unread(objects: "Iterable[Object]", known: "Ledger") -> "list[Object]":
    """Return those of *objects* of a bucket that are not as they were when they were read."""
    stamps = known.objects()
    return [each for each in objects if stamps.get(each.address) != each.stamp]


def read_objects(objects: "Iterable[Object]", intake: Intake) -> Outcome:
    """Read *objects* of a bucket as files, some at a time, and remember those that were read well."""
    from ingest.warehouse.storage.bucket_logs import as_files, groups  # with obstore, which files need not wait for

    outcome = Outcome()
    for group in groups(objects):
        with as_files(group) as files:
            intake.addresses = {path: each.address for path, each in files.items()}
            read = read_all(find([str(path) for path in files]), intake)
            intake.settle()
        outcome.join(read, intake.addresses)
        whole = {each.address: each.stamp for path, each in files.items() if not _names(read.failed, path)}
        if whole:
            intake.ledger.note_objects(whole)
    return outcome


def _names(failed: Iterable[str], path: Path) -> bool:
    return any(text.startswith(str(path)) for text in failed)
