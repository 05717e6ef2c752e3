"""Write Claude Code sessions of any size, with every way in which one response comes to be logged several times.

    python benchmarks/claude_corpus.py DIR [MEGABYTES]

`write` also returns the truth, the tokens of each model by the columns of `llm_calls`. ccusage, the referee
(`CLAUDE_CONFIG_DIR=DIR npx ccusage@20.0.24 daily --offline --json`), agrees with it unless lines are
*lacking* the request id: it takes each of these for a response of its own, though their message id is the same.
"""

import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

MODELS = ("claude-sonnet-4-20250514", "claude-opus-4-1-20250805", "claude-3-5-haiku-20241022")
WORDS = (
    "the",
    "file",
    "error",
    "return",
    "tests",
    "parse",
    "tokens",
    "when",
    "value",
    "line",
    "\u2192",
    "def",
    "{}",
    '"',
)

Line = dict[str, Any]
Truth = dict[str, Counter[str]]


LONGEST = 8_000
"""Turns of the longest session of a home."""


def write(root: Path, *, megabytes: float = 1, seed: int = 0, lacking: bool = False, home: bool = False) -> Truth:
    """Write about *megabytes* of sessions under *root*, and return the tokens of each model.

    Those of a *home* are as long as they are in one that was used for months: half of them are of a hundred kB or less,
    a few of tens of MB.
    """
    random.seed(seed)
    truth: Truth = defaultdict(Counter)
    size, number, earlier = 0, 0, []
    while size < megabytes * 1e6:
        number += 1
        session = f"session-{seed}-{number}"
        turns = min(int(random.lognormvariate(2.3, 1.6)) + 1, LONGEST) if home else random.randrange(5, 60)
        lines = list(_session(session, turns, truth, lacking=lacking))
        if earlier and random.random() < 0.3:  # a resumed session begins with the history of another
            lines = [{**line, "sessionId": session} for line in random.choice(earlier)] + lines
        earlier = [*earlier[-5:], lines[: random.randrange(len(lines))]]
        size += _save(root / "projects" / f"project-{number % 7}" / f"{session}.jsonl", lines)
        if random.random() < 0.3:
            replay = [{**line, "isSidechain": True, "requestId": "req_side"} for line in lines[:20]]
            size += _save(root / "projects" / f"project-{number % 7}" / session / "subagents" / "agent-1.jsonl", replay)
    return truth


def _session(session: str, turns: int, truth: Truth, *, lacking: bool) -> Iterator[Line]:
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=random.randrange(40_000))
    for _ in range(turns):
        now += timedelta(seconds=random.randrange(1, 90))
        yield _line(session, now, "user", {"role": "user", "content": _prose(random.choice((50, 300, 4000)))})
        if random.random() < 0.02:
            yield from _not_calls(session, now)
        yield from _response(session, now, truth, lacking=lacking)


def _response(session: str, now: datetime, truth: Truth, *, lacking: bool) -> Iterator[Line]:
    model, final = random.choice(MODELS), random.randrange(20, 3000)
    prompt, read, write = random.randrange(1, 50), random.randrange(0, 90_000), random.randrange(0, 9_000)
    message, request = f"msg_{random.getrandbits(80):020x}", f"req_{random.getrandbits(80):020x}"
    omitted = random.random() < 0.1 and random.choice(("all", "some"))
    pieces = random.randrange(1, 5)
    for piece in range(pieces):
        produced = final if piece == pieces - 1 else random.randrange(1, 9)
        usage: Line = {"input_tokens": prompt, "cache_creation_input_tokens": write, "cache_read_input_tokens": read}
        usage["cache_creation"] = {
            "ephemeral_5m_input_tokens": write // 3,
            "ephemeral_1h_input_tokens": write - write // 3,
        }
        usage |= {"output_tokens": produced, "service_tier": "standard"}
        content = [{"type": "text", "text": _prose(random.randrange(10, 400))}]
        body = {
            "id": message,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": content,
            "usage": usage,
        }
        line = _line(session, now + timedelta(milliseconds=piece * 700), "assistant", body)
        if not (lacking and (omitted == "all" or (omitted == "some" and piece % 2 == 0))):
            line["requestId"] = request
        yield line
    counts = {"request_tokens": prompt + read + write, "cache_read_tokens": read, "cache_write_tokens": write}
    truth[model].update({**counts, "response_tokens": final, "calls": 1})


def _not_calls(session: str, now: datetime) -> Iterator[Line]:
    usage = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    content = [{"type": "text", "text": "API Error: 529 overloaded"}]
    body = {"id": f"{random.getrandbits(64):x}", "type": "message", "role": "assistant", "model": "<synthetic>"}
    line = _line(session, now, "assistant", {**body, "content": content, "usage": usage})
    yield line if random.random() < 0.5 else {**line, "isApiErrorMessage": True, "error": "overloaded"}


def _line(session: str, now: datetime, kind: str, message: Line) -> Line:
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    place = {"cwd": "/home/dev/app", "gitBranch": "main", "version": "2.0.14", "isSidechain": False}
    return {
        **place,
        "type": kind,
        "sessionId": session,
        "uuid": f"{random.getrandbits(64):x}",
        "timestamp": stamp,
        "message": message,
    }


def _prose(words: int) -> str:
    return " ".join(random.choices(WORDS, k=words))


def _save(path: Path, lines: list[Line]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    # No blanks: ccusage finds `"usage":{` only so, as Claude Code writes it.
    text = "".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    return len(text.encode())


if __name__ == "__main__":
    print(json.dumps(write(Path(sys.argv[1]), megabytes=float(sys.argv[2]) if len(sys.argv) > 2 else 20), indent=2))
