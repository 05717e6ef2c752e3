"""What people write: one regex over each line. Usage: `re_loop.py LOG [DATABASE]`.

Tokens are summed per model and minute, cost per agent. With DATABASE each call is also kept as a row of a SQLite table,
which is what it takes in Python to ask a second question without reading the log again.
"""

import re
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

USAGE = re.compile(
    r"^\[(\d{4}-\d\d-\d\dT\d\d:\d\d):(\d\d\.\d{3}Z)\] \[[^\]]*\] INFO: LLM call to model '([^']*)': "
    r"latency ([0-9.e+-]+)s?, request tokens: ([\d,]+), response tokens: ([\d,]+), "
    r"total tokens: ([\d,]+), cost \$([\d.]+) \(agent: ([^,]*), story: ([^,]*), state: ([^,)]*)"
)
TABLE = """create table llm_calls (
    created_at real, model text, latency_s real, request_tokens integer, response_tokens integer, total_tokens integer,
    cost_usd real, agent_id text, story_id text, state text
)"""
Call = tuple[float, str, float, int, int, int, float, str, str, str]


def found(log: Path) -> Iterator[tuple[str, ...]]:
    """Yield the groups of each line that is a call."""
    with log.open(encoding="utf-8") as file:
        for line in file:
            if match := USAGE.match(line):
                yield match.groups()


def summed(log: Path) -> None:
    """Print the tokens of all minutes, of the fullest, and the cost."""
    minutes: dict[tuple[str, str], int] = defaultdict(int)
    cost: dict[str, float] = defaultdict(float)
    for minute, _, model, _, _, _, total, usd, agent, _, _ in found(log):
        minutes[model, minute] += int(total.replace(",", ""))
        cost[agent] += float(usd)
    print(sum(minutes.values()), max(minutes.values()), sum(cost.values()))


def calls(log: Path) -> Iterator[Call]:
    """Yield the calls as rows of `TABLE`."""
    for minute, second, model, latency, *counts, usd, agent, story, state in found(log):
        request, response, total = (int(count.replace(",", "")) for count in counts)
        at = datetime.fromisoformat(f"{minute}:{second}").timestamp()
        yield at, model, float(latency), request, response, total, float(usd), agent, story, state


def kept(log: Path, database: str) -> None:
    """Store the calls, and print how many they are and their tokens."""
    base = sqlite3.connect(database)
    base.execute(TABLE)
    rows = calls(log)
    while batch := list(islice(rows, 50_000)):
        base.executemany("insert into llm_calls values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", batch)
    base.commit()
    print(*base.execute("select count(*), sum(total_tokens) from llm_calls").fetchone())


if __name__ == "__main__":
    log, *database = sys.argv[1:]
    if database:
        kept(Path(log), *database)
    else:
        summed(Path(log))
