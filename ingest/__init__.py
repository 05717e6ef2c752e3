"""File → table: find the logs, read them exactly once, and commit rows and offsets together.

`follow` and `backfill` are what programs call; `alternatives` gives `queries` prices, and `at_hand` a bucket's folder.
What users can mend is an `IngestError`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.choices import alternatives
    from ingest.errors import IngestError, SourceError, WarehouseError
    from ingest.public import backfill, follow
    from ingest.warehouse.at_hand import at_hand

__all__ = ["IngestError", "SourceError", "WarehouseError", "alternatives", "at_hand", "backfill", "follow"]


def __getattr__(name: str) -> object:
    """Import what is asked for only then: `ingest --help` needs none of it, and all of it takes half a second."""
    if name in ("backfill", "follow"):
        from ingest import public

        return getattr(public, name)
    if name == "at_hand":
        from ingest.warehouse.at_hand import at_hand

        return at_hand
    if name == "alternatives":
        from ingest import choices

        return choices.alternatives
    if name in __all__:
        from ingest import errors

        return getattr(errors, name)
    raise AttributeError(f"module 'ingest' has no attribute {name!r}")
