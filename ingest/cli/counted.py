"""What a warehouse holds as its reports count it, each call once, for those who read logs into it."""

import threading
import time
from collections.abc import Callable

PAUSE = 5.0
SHARE = 10
"""It is counted again after this many seconds, and this many times as long as counting took."""

MOST = 2_000_000
"""Of more stored rows a follower doesn't count the calls: that would take seconds, and a gigabyte of memory."""


def counted(warehouse: str) -> str:
    """Return how many calls *warehouse* has, their tokens, those of the last minute, and what they cost, in one line.

    Empty where there is nothing to count, too much, or something in the way: whoever reads logs must not fail by it.
    """
    if "://" in warehouse:
        return ""  # a follower would fetch what all others write
    import duckdb

    import queries
    from ingest.errors import IngestError
    from ingest.warehouse.warehouse import Warehouse

    sql = """
        select
            (select struct_pack(calls, failed_calls, total_tokens, cost_usd) from usage_totals),
            (
                select sum(total_tokens)::bigint from llm_calls
                where created_at > now() - interval 1 minute and requests is not null
            )
    """
    try:
        if sum(file.rows for file in Warehouse(warehouse).tables["llm_calls"].files()) > MOST:
            return ""
        with queries.connect(warehouse) as connection:
            ((totals, tpm),) = connection.sql(sql).fetchall()
    except (IngestError, queries.QueryError, duckdb.Error, OSError):
        return ""
    if totals is None:
        return ""
    failed = f", {totals['failed_calls']:,} failed" if totals["failed_calls"] else ""
    tokens = f" · {totals['total_tokens'] or 0:,} tokens" + (f", {tpm:,} in the last minute" if tpm else "")
    cost = "" if totals["cost_usd"] is None else f" · ${totals['cost_usd']:,.2f}"
    return f"{totals['calls']:,} call{'s' * (totals['calls'] != 1)}{failed}{tokens}{cost}"


class Counting:
    """What `counted` says, found out beside the follower whenever something new was committed, and not too often."""

    def __init__(self, warehouse: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Count the calls of *warehouse*."""
        self._warehouse = warehouse
        self._clock = clock
        self._due, self._of, self._text = 0.0, -1, ""
        self._thread: threading.Thread | None = None

    def text(self, commits: int) -> str:
        """Return what was counted last, and begin to count anew if there were *commits* since, and it is due."""
        idle = self._thread is None or not self._thread.is_alive()
        if idle and commits != self._of and self._clock() >= self._due:
            self._of = commits
            self._thread = threading.Thread(target=self._count, daemon=True)
            self._thread.start()
        return self._text

    def wait(self) -> None:
        """Wait until what is being counted is."""
        if self._thread is not None:
            self._thread.join()

    def _count(self) -> None:
        began = self._clock()
        self._text = counted(self._warehouse)
        self._due = self._clock() + max(PAUSE, SHARE * (self._clock() - began))
