"""Large maestro logs made from the lines of the sample, with their own truth, counted while writing."""

import json
import random
import re
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

SAMPLE = Path(__file__).parent.parent / "fixtures" / "rc3" / "maestro.log"

_CALL = re.compile(r"INFO: LLM call to model '.*total tokens: ([\d,]+)")
_OTHER_RECORD = re.compile(r"LLM call|equeue|attempt count|Session ID|metrics: prompt")
_EVENT = re.compile(
    r"Starting LLM call|Story \w+ metrics: prompt|requeue request|requeued and dispatched|attempt count:"
)
_STARTS = re.compile(r"^\[\d{4}-")
_DUMP_EVERY = 8_000_000
_DUMP = (
    "[2026-02-03T14:00:00.000Z] [llm-middleware] ERROR: 🚨 EMPTY RESPONSE FROM LLM - DEBUGGING INFO:\n"
    "[2026-02-03T14:00:00.000Z] [llm-middleware] ERROR: 📝 Complete prompt sent to LLM:\n"
    "[2026-02-03T14:00:00.000Z] [llm-middleware] ERROR: Message [0] Role: user, Content: please go on\n"
    "[2026-02-03T14:00:00.001Z] [llm-middleware] ERROR: 🚨 END EMPTY RESPONSE DEBUG\n"
)


class Kind(NamedTuple):
    """What a log holds: the share of its lines that are calls, events a call, and days that it spans.

    One of several days holds the dump of an empty response each 8 MB as well.
    """

    share: float
    events: float = 0.0
    days: int = 0


PLAIN = Kind(0.05)
WITH_EVENTS = Kind(0.05, 1.7)
"""As many events as the sample has."""
HEAVY = Kind(0.037, 3.6, 120)
"""As in the largest log that anybody showed us: 351,000 calls and 1.26 million events in 9.6 million lines."""
DENSE = Kind(1.0)


@dataclass(frozen=True)
class Truth:
    """What is in a generated log."""

    bytes: int
    lines: int
    calls: int
    tokens: int
    events: int = 0


def write(path: Path, *, size: int, kind: Kind, seed: int = 1) -> Truth:
    """Write about *size* bytes of log of a *kind* to *path*; return what is in it.

    A log that is there already, with its truth beside it, is kept.
    """
    noted = path.with_suffix(".truth.json")
    if path.exists() and noted.exists():
        truth = Truth(**json.loads(noted.read_text("utf-8")))
        if truth.bytes == path.stat().st_size and truth.bytes >= size:
            return truth
    path.parent.mkdir(parents=True, exist_ok=True)
    truth = _write(path, size, kind, random.Random(seed))
    noted.write_text(json.dumps(asdict(truth)), "utf-8")
    return truth


def _write(path: Path, size: int, kind: Kind, chance: random.Random) -> Truth:
    calls, events, others = _pools()
    written = lines = count = tokens = told = dumps = 0
    with path.open("wb") as file:
        while written < size:
            block = []
            for _ in range(20_000):
                drawn = chance.random() / kind.share
                if drawn < 1:
                    line, spent = chance.choice(calls)
                    count += 1
                    tokens += spent
                elif drawn < 1 + kind.events:
                    line = chance.choice(events)
                    told += 1
                else:
                    line = chance.choice(others)
                block.append(line)
            if kind.days and written >= dumps * _DUMP_EVERY:
                block.append(_DUMP)
                dumps += 1
            text = "".join(block)
            if kind.days:
                day = date(2026, 2, 3) + timedelta(days=min(kind.days - 1, written * kind.days // size))
                text = text.replace("\n[2026-02-03T", f"\n[{day}T")
            data = text.encode()
            file.write(data)
            written += len(data)
            lines += text.count("\n")
    return Truth(written, lines, count, tokens, told + dumps)


def _pools() -> tuple[list[tuple[str, int]], list[str], list[str]]:
    """Return the sample's calls with their tokens, its events, and its lines that are no record of any kind."""
    calls, events, others = [], [], []
    for line in SAMPLE.read_text("utf-8").splitlines(keepends=True):
        if found := _CALL.search(line):
            calls.append((line, int(found[1].replace(",", ""))))
        elif _STARTS.match(line) and _EVENT.search(line):
            events.append(line)
        elif _STARTS.match(line) and not _OTHER_RECORD.search(line):
            others.append(line)
    return calls, events, others
