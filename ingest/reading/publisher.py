"""Drafts in, commits out: the one way by which rows of any source, and its new position, get into the warehouse."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ingest.errors import WarehouseError
from ingest.ledger import Batch, Conflict, Ledger
from ingest.prices.price import Prices
from ingest.reading.draft import Draft, finish
from parsers.schema import stacked

COMMIT_ROWS = 120_000
"""Rows of files that are held in memory before they are committed: three full blocks, some hundred megabytes.

A commit costs some 50 ms however few it adds, half as many rows would be noticed in a backfill, and twice as many only
take more memory.
"""

COMMIT_BYTES = 512 << 20
"""Bytes that are read before their position is committed, however few rows they hold: a second of reading or two."""


@dataclass
class Totals:
    """What has been committed so far, and when last by the monotonic clock."""

    calls: int = 0
    events: int = 0
    rejects: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    commits: int = 0
    committed_at: float = 0.0

    def add(self, batches: Sequence[Batch]) -> None:
        """Add what one commit added."""
        self.commits += 1
        self.committed_at = time.monotonic()
        for batch in batches:
            self.calls += batch.calls.height
            self.events += batch.events.height
            self.rejects += batch.rejects.height
        calls = stacked((batch.calls for batch in batches), "llm_calls")
        self.tokens += int(calls["total_tokens"].sum())
        self.cost_usd += float(calls["cost_usd"].sum() or 0)

    def join(self, other: "Totals") -> None:
        """Add what another process has committed."""
        self.calls += other.calls
        self.events += other.events
        self.rejects += other.rejects
        self.tokens += other.tokens
        self.cost_usd += other.cost_usd
        self.commits += other.commits


@dataclass
class Publisher:
    """Stamps and commits what sources yield, one commit at a time, beside whoever reads on. One thread uses it.

    `settled` counts the commits that were waited for. `keep_raw` keeps the text of what is rejected, which may hold
    prompts and keys, and not only its structure. `host` is the machine of the calls that don't say theirs.
    """

    ledger: Ledger
    prices: Prices
    keep_raw: bool = False
    host: str | None = None
    totals: Totals = field(default_factory=Totals)
    settled: int = 0
    _worker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "commit"))
    _priced: bool = False
    _flying: "tuple[Future[None], Sequence[Draft]] | None" = None
    _owed: Sequence[Draft] = ()

    def close(self) -> None:
        """Wait for a commit that is under way."""
        self._worker.shutdown(wait=True)

    def expect(self) -> None:
        """Get ready for rows: prices are loaded beside the reading of what they will be needed for."""
        if not self._priced:
            self._priced = True
            self._worker.submit(self.prices.load)

    @property
    def is_idle(self) -> bool:
        """Whether no commit is under way."""
        return self._flying is None or self._flying[0].done()

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was given waits to be in the warehouse."""
        return self._flying is None and not self._owed

    def publish(self, drafts: Sequence[Draft]) -> None:
        """Commit *drafts*, of different sources, together, after what is on its way; `settle` waits for it.

        Raises:
            WarehouseError: What is on its way can't be written now; *drafts* were not taken.
        """
        self.settle()
        self._submit(drafts)

    def settle(self) -> None:
        """Wait for the commit under way; readers of sources that another writer has moved lose them.

        Raises:
            WarehouseError: It can't be written now. The same is tried again the next time: the source may be gone then.
        """
        if self._owed:
            self._submit(self._owed)
        if self._flying is None:
            return
        (future, drafts), self._flying, self._owed = self._flying, None, ()
        try:
            future.result()
        except WarehouseError:
            self._owed = drafts
            raise
        except Conflict:
            self._retry(drafts)
        self.settled += 1

    def _submit(self, drafts: Sequence[Draft]) -> None:
        self._flying = self._worker.submit(self._commit, drafts), drafts

    def _retry(self, drafts: Sequence[Draft]) -> None:
        """Commit those of *drafts* that still continue their source; the readers of the others lose it."""
        self.ledger.refresh()
        good = []
        for draft in drafts:
            position = self.ledger.position(draft.source_id)
            unmoved = (position.offset if position else None) == draft.start
            its_turn = draft.turn is None or self.ledger.turns(draft.turn.name) == draft.turn.number
            if unmoved and its_turn and self.ledger.births(draft.family) == draft.births:
                good.append(draft)
            else:
                draft.reader.lose()
        if good:
            self._submit(good)
            self.settle()

    def _commit(self, drafts: Sequence[Draft]) -> None:
        batches = finish(drafts, self.prices, datetime.now(UTC), keep_raw=self.keep_raw, host=self.host)
        self.ledger.commit(batches)
        self.totals.add(batches)
        self.prices.keep()
