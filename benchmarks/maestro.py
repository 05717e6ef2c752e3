"""Large maestro logs made from the lines of the sample, with their own truth, counted while writing."""

import json
import random
import re
from dataclasses import asdict, dataclass
from pathlib import Path

SAMPLE = Path(__file__).parent.parent / "fixtures" / "rc3" / "maestro.log"

_CALL = re.compile(r"INFO: LLM call to model '.*total tokens: ([\d,]+)")
_OTHER_RECORD = re.compile(r"LLM call|equeue|attempt count|Session ID|metrics: prompt")
_STARTS = re.compile(r"^\[\d{4}-")


@dataclass(frozen=True)
class Truth:
    """What is in a generated log."""

    bytes: int
    lines: int
    calls: int
    tokens: int


def write(path: Path, *, size: int, share: float, seed: int = 1) -> Truth:
    """Write about *size* bytes of log to *path*, *share* of its lines calls; return what is in it.

    A log that is there already, with its truth beside it, is kept.
    """
    noted = path.with_suffix(".truth.json")
    if path.exists() and noted.exists():
        truth = Truth(**json.loads(noted.read_text("utf-8")))
        if truth.bytes == path.stat().st_size and truth.bytes >= size:
            return truth
    path.parent.mkdir(parents=True, exist_ok=True)
    truth = _write(path, size, share, random.Random(seed))
    noted.write_text(json.dumps(asdict(truth)), "utf-8")
    return truth


def _write(path: Path, size: int, share: float, chance: random.Random) -> Truth:
    calls, others = _pools()
    written = lines = count = tokens = 0
    with path.open("wb") as file:
        while written < size:
            block = []
            for _ in range(20_000):
                if chance.random() < share:
                    line, spent = chance.choice(calls)
                    count += 1
                    tokens += spent
                else:
                    line = chance.choice(others)
                block.append(line)
            data = "".join(block).encode()
            file.write(data)
            written += len(data)
            lines += len(block)
    return Truth(written, lines, count, tokens)


def _pools() -> tuple[list[tuple[str, int]], list[str]]:
    """Return the sample's calls with their tokens, and its lines that are no record of any kind."""
    calls, others = [], []
    for line in SAMPLE.read_text("utf-8").splitlines(keepends=True):
        if found := _CALL.search(line):
            calls.append((line, int(found[1].replace(",", ""))))
        elif _STARTS.match(line) and not _OTHER_RECORD.search(line):
            others.append(line)
    return calls, others
