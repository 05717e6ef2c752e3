"""Small files that are parsed together give the rows that each gives alone."""

import gzip
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from logs import calls, catch_up, exactly, follower, intake, line, lines, noise, session, sessions, tiles

from ingest.files.paths import find
from ingest.following.follower import FEW
from ingest.history.backfill import backfill
from ingest.ledger import TAIL
from parsers import FORMATS, Block, parse
from parsers.claims.documents import parse_document
from parsers.claims.many_sources import Source, parse_many

FIXTURES = Path(__file__).parent.parent / "fixtures"


def answer(number, *, filler=10):
    """Return the Claude Code line of call *number*: its request tokens are the number."""
    usage = {"input_tokens": number, "output_tokens": 1}
    message = {"id": f"msg_{number}", "model": "claude-sonnet-4-5", "usage": usage, "content": "é" * filler}
    record = {"type": "assistant", "sessionId": f"s{number}", "timestamp": "2026-02-03T14:00:00Z", "message": message}
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def answers(*numbers):
    """Return the lines of calls *numbers*, another kind of line between them."""
    return b"".join(b'{"type":"user","message":{"content":"hi"}}\n' * (n % 3) + answer(n) for n in numbers)


def read(folder, warehouse):
    """Backfill *folder*; return what happened."""
    with intake(warehouse) as into:
        return backfill(find([str(folder)]), into, progress=lambda *_: None)


def mixed(folder, count, chance):
    """Write *count* files of every kind into *folder*; return the calls in them."""
    expected = []
    for n in range(count):
        numbers = [n * 100 + k for k in range(1, chance.randrange(2, 12))]
        kind = chance.choice(("claude", "claude", "maestro", "crlf", "bom", "packed", "binary", "empty", "open"))
        data = {
            "maestro": session(n) + lines(*numbers),
            "binary": bytes(chance.randrange(256) for _ in range(300)) + b"\n" + answers(*numbers),
            "empty": b"",
        }.get(kind, answers(*numbers))
        data = data.replace(b"\n", b"\r\n") if kind == "crlf" else data
        data = b"\xef\xbb\xbf" + data if kind == "bom" else data
        if kind == "packed":
            (folder / f"{n:03}.log.gz").write_bytes(gzip.compress(data))
        else:
            (folder / f"{n:03}.log").write_bytes(data + b'{"type":"assis' * (kind == "open"))
        if n % 7 == 0:
            (folder / f"{n:03}-copy.log").write_bytes(data)
        expected += numbers if data else []
    return expected


def test_many_files_of_all_kinds_are_counted_once_and_a_second_run_adds_nothing(tmp_path):
    folder, warehouse = tmp_path / "logs", tmp_path / "w"
    folder.mkdir()
    expected = mixed(folder, 300, random.Random(1))
    for _ in range(2):
        outcome = read(folder, warehouse)
        assert not outcome.failed
        assert calls(warehouse) == exactly(*expected)
        assert all(tiles(warehouse).values())
    assert outcome.bytes == 0

    grown = next(
        p for p in sorted(folder.glob("*.log")) if b"assistant" in (data := p.read_bytes()) and data[-2:] == b"}\n"
    )
    with grown.open("ab") as file:
        file.write(answers(90_001))
    assert 0 < read(folder, warehouse).bytes < 1000
    assert calls(warehouse) == exactly(*expected, 90_001)


def test_files_that_begin_alike_are_told_apart_by_what_follows(tmp_path):
    head = answer(1, filler=600)
    for n in range(40):
        (tmp_path / f"{n:02}.jsonl").write_bytes(head + answer(100 + n))
    read(tmp_path, tmp_path / "w")

    found = calls(tmp_path / "w")
    assert all(found[100 + n] == 1 for n in range(40))
    assert all(tiles(tmp_path / "w").values())


def test_a_shorter_copy_that_comes_first_is_continued(tmp_path):
    for n in range(9):
        (tmp_path / f"{n:02}.jsonl").write_bytes(answers(*range(1, n + 2)))
    read(tmp_path, tmp_path / "w")

    assert calls(tmp_path / "w") == exactly(*range(1, 10))


def test_files_with_the_same_header_only_are_no_sources_yet(tmp_path):
    header = b'{"usage_surface_version":1}\n'
    for n in range(30):
        (tmp_path / f"{n:02}.jsonl").write_bytes(header + (answers(n) if n % 2 else b""))
    outcome = read(tmp_path, tmp_path / "w")

    assert outcome.unknown == []
    assert calls(tmp_path / "w") == exactly(*range(1, 30, 2))
    assert all(tiles(tmp_path / "w").values())


def test_a_file_that_was_put_off_is_not_overtaken_by_one_that_continues_it(tmp_path):
    first, other = answer(1), answer(2, filler=400)
    (tmp_path / "a.jsonl").write_bytes(first + other)
    (tmp_path / "b.jsonl").write_bytes(first)
    (tmp_path / "c.jsonl").write_bytes(first + answer(3, filler=400))
    read(tmp_path, tmp_path / "w")

    found = calls(tmp_path / "w")
    assert found[2] == found[3] == 1
    assert all(tiles(tmp_path / "w").values())


def test_contexts_and_headers_do_not_leak_into_the_next_file(tmp_path):
    (tmp_path / "1.log").write_bytes(session(7) + lines(1))
    (tmp_path / "2.log").write_bytes(noise(5).encode() + lines(2))
    (tmp_path / "3.csv").write_bytes((FIXTURES / "trading" / "copy.csv").read_bytes())
    (tmp_path / "4.jsonl").write_bytes(answers(4))
    read(tmp_path, tmp_path / "w")

    found = sessions(tmp_path / "w")
    table = parse(Block((FIXTURES / "trading" / "copy.csv").read_bytes()), FORMATS).calls["request_tokens"]
    assert (found[1], found[2], found[4]) == ("7", None, "s4")
    assert set(found) == {1, 2, 4, *table} > {1, 2, 4}


def test_documents_among_other_files_are_read_as_such_and_half_a_one_not_yet():
    names = ("amp/ledger", "cline/ui_messages", "gemini-cli/session", "learnpro/export", "opencode/message")
    documents = [(FIXTURES / f"{name}.json").read_bytes() for name in names]
    half = documents[2][:900] + b"\n"
    first, *among, none, last = parse_many(
        [*map(Source, [answer(1), *documents, half, b'[{"no": "call"}]\n' + answer(2)])], FORMATS
    )

    assert none is None
    assert (first.calls.height, last.calls.height) == (1, 1)
    for rows, data in zip(among, documents, strict=True):
        alone = parse_document(data, FORMATS)
        assert rows.whole
        assert rows.end == alone.end == len(data)
        for table in ("calls", "events", "rejects"):
            assert getattr(rows, table).equals(getattr(alone, table))
        assert rows.height


def test_a_document_that_nobody_knows_is_looked_at_again_when_it_changes_though_its_end_does_not(tmp_path):
    for n in range(FEW):
        (tmp_path / f"{n}.jsonl").write_bytes(answer(n))
    known = json.loads((FIXTURES / "opencode" / "message.json").read_bytes()) | {"padding": "x" * 2 * TAIL}
    text = json.dumps(known, indent=2) + "\n"
    path = tmp_path / "message.json"
    path.write_text(text.replace('"role"', '"rode"'))
    following = follower(tmp_path / "w", tmp_path / "*.json*")
    catch_up(following)
    assert calls(tmp_path / "w") == exactly(*range(FEW))

    path.write_text(text)
    catch_up(following)
    following.close()
    assert calls(tmp_path / "w") == exactly(*range(FEW), 925)


def test_rows_and_places_are_those_of_each_source_alone():
    chance = random.Random(3)
    sources = [answers(*(n * 10 + k for k in range(chance.randrange(9)))) or b"nothing\n" for n in range(60)]
    sources[5] = b"\0\0\0" + sources[5]
    sources[9] = b"\xff\xfe\n" + sources[9]
    sources[11] = sources[11].replace(b"\n", b"\r\n")
    sources[20] = session(1) + lines(1, 2)
    sources[21] = lines(3, 4)
    together = parse_many([*map(Source, sources)], FORMATS)

    assert [i for i, rows in enumerate(together) if rows is None] == [20]
    for source, rows in zip(sources, together, strict=True):
        if rows is not None:
            alone = parse(Block(source), FORMATS)
            assert rows.calls.equals(alone.calls)
            assert rows.rejects.equals(alone.rejects)
            assert (rows.end, rows.claimed) == (alone.end, alone.claimed)


@pytest.mark.parametrize("first_at", [0, 1009])
def test_pieces_of_real_logs_give_the_rows_that_each_gives_alone(first_at):
    pieces = []
    for path in sorted(FIXTURES.glob("*/*.*")):
        if path.suffix in {".log", ".jsonl"}:
            read_lines = path.read_bytes().splitlines(keepends=True)[:600]
            pieces += [b"".join(read_lines[at : at + 4]) for at in range(0, len(read_lines), 4)]
    pieces = [piece for piece in pieces if piece.endswith(b"\n") and not piece.startswith(b"\xef\xbb\xbf")]
    offsets = [first_at and number * first_at for number in range(len(pieces))]
    sources = [Source(piece, offset=offset) for piece, offset in zip(pieces, offsets, strict=True)]
    together = parse_many(sources, FORMATS)

    assert sum(rows is not None and rows.height > 0 for rows in together) > 100
    assert 0 < sum(rows is None for rows in together) < len(together) / 2
    for piece, offset, rows in zip(pieces, offsets, together, strict=True):
        if rows is not None:
            alone = parse(Block(piece, offset), FORMATS)
            assert rows.calls.equals(alone.calls)
            assert rows.events.equals(alone.events)
            assert rows.rejects.equals(alone.rejects)
            assert (rows.end, rows.claimed) == (alone.end, alone.claimed)


def wrapped(text):
    """Return the lines of *text* as Docker writes them, each in two pieces."""
    ends = {"stream": "stdout", "time": "2026-02-03T14:00:00.1Z"}
    halves = ((each[: len(each) // 2], each[len(each) // 2 :]) for each in text.decode().splitlines(keepends=True))
    return b"".join(json.dumps({"log": half, **ends}).encode() + b"\n" for pair in halves for half in pair)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_many_files_gain_counts_once_wherever_it_is_cut_and_rotated(tmp_path, seed):
    chance, expected, left, generations = random.Random(seed), [], {}, {}
    kinds = [
        answers,
        answers,
        lambda *n: session(n[0]) + lines(*n),
        lines,
        lambda *n: wrapped(answers(*n)),
    ]
    for n in range(4 * FEW):
        numbers = [n * 1000 + k for k in range(1, chance.randrange(5, 40))]
        expected += numbers
        left[tmp_path / f"{n}.log"] = chance.choice(kinds)(*numbers)
    following = follower(tmp_path / "w", tmp_path / "*.log*")
    while left:
        for path in chance.sample([*left], len(left) // 2 + 1):
            size = chance.randrange(1, 3000)
            with path.open("ab") as file:
                file.write(left[path][:size])
            left[path] = left[path][size:]
            written = path.read_bytes()
            if not left[path]:
                del left[path]
            elif written.endswith(b"\n") and b"session" not in written and chance.random() < 0.1:
                generations[path] = generations.get(path, 0) + 1
                path.rename(tmp_path / f"{path.name}.{10 - generations[path]}")
        following.tick()
    catch_up(following)
    following.close()

    assert calls(tmp_path / "w") == exactly(*expected)
    assert all(tiles(tmp_path / "w").values())
    read(tmp_path, tmp_path / "again")
    told = [pl.scan_delta(str(tmp_path / name / "llm_calls")) for name in ("w", "again")]
    one, other = (each.select("request_tokens", "session_id").sort("request_tokens").collect() for each in told)
    assert one.equals(other)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_backfill_of_small_files_killed_at_random_instants_counts_each_call_once(tmp_path, seed):
    folder, warehouse, chance = tmp_path / "logs", tmp_path / "w", random.Random(seed)
    folder.mkdir()
    expected = mixed(folder, 120, chance)
    command = [sys.executable, "-m", "ingest", "backfill", str(folder), "-w", str(warehouse)]
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=chance.uniform(0.8, 2.5))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
    subprocess.run(command, check=True, capture_output=True)

    assert calls(warehouse) == exactly(*expected)
    assert all(tiles(warehouse).values())
    ledger = pl.scan_delta(str(warehouse / "batches")).collect()
    assert ledger["calls"].sum() == len(expected)
    # A line that never ends is taken by itself once its file was quiet for 30 s, which a slow machine takes: no call.
    assert ledger.filter(pl.col("calls") > 0)["source_id"].is_unique().all()


def test_a_last_line_without_an_end_is_read_where_nobody_goes_on_with_it_and_else_left():
    chance = random.Random(5)
    ended = [b"".join(answer(n * 10 + k) for k in range(chance.randrange(1, 4))) for n in range(40)]
    cut = [text[:-1] if n % 3 else text for n, text in enumerate(ended)]
    for sealed in (True, False):
        together = parse_many([Source(text, sealed) for text in cut], FORMATS)
        for text, rows in zip(cut, together, strict=True):
            alone = parse(Block(text if sealed else text[: text.rfind(b"\n") + 1], sealed=sealed), FORMATS)
            assert rows.calls.equals(alone.calls)
            assert (rows.end, rows.claimed) == (alone.end, alone.claimed)


@pytest.mark.parametrize("count", [1, FEW + 30])
def test_files_of_one_object_without_an_end_are_followed_once_they_are_quiet(tmp_path, count):
    for n in range(count):
        (tmp_path / f"{n}.json").write_bytes(answer(n)[:-1])
        (tmp_path / f"torn-{n}.jsonl").write_bytes(answer(1000 + n) + answer(2000 + n)[:-9])
        (tmp_path / f"half-{n}.jsonl").write_bytes(answer(4000 + n)[:-9])
    following = follower(tmp_path / "w", tmp_path / "*.json*")
    catch_up(following)
    assert calls(tmp_path / "w") == exactly(*range(1000, 1000 + count))
    rests = ((answer(n)[:-1], answer(2000 + n)[:-9], answer(4000 + n)[:-9]) for n in range(count))
    assert following.behind == sum(len(rest) for of_file in rests for rest in of_file)

    for path in tmp_path.glob("*.json*"):
        os.utime(path, (time.time() - 60, time.time() - 60))
    catch_up(following)
    assert calls(tmp_path / "w") == exactly(*range(count), *range(1000, 1000 + count))

    for n in range(count):
        with (tmp_path / f"{n}.json").open("ab") as file:
            file.write(b"\n" + answer(3000 + n))
        with (tmp_path / f"torn-{n}.jsonl").open("ab") as file:
            file.write(answer(2000 + n)[-9:])
        with (tmp_path / f"half-{n}.jsonl").open("ab") as file:
            file.write(answer(4000 + n)[-9:])
    catch_up(following)
    following.close()
    each = (range(first, first + count) for first in range(0, 5000, 1000))
    assert calls(tmp_path / "w") == exactly(*(number for numbers in each for number in numbers))


def test_many_files_that_are_written_just_now_hold_nobody_up_and_are_told_in_one_line(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("ingest.following.follower.most_open", lambda: (20, 10))
    for n in range(200):
        (tmp_path / f"{n}.json").write_bytes(answer(n)[:-1])
    (tmp_path / "grows.jsonl").write_bytes(answer(500))
    following = follower(tmp_path / "w", tmp_path / "*.json*")
    with caplog.at_level("INFO"):
        while following.tick(final=True) is None:
            pass
    opened = sum(file.cursor is not None for file in following.tracked.values())
    following.close()

    assert calls(tmp_path / "w") == exactly(500)
    assert opened <= 20
    (told,) = [text for text in caplog.messages if "complete yet" in text]
    assert told.startswith(f"200 files, such as {tmp_path}/0.json: their last record isn't complete yet")


def test_of_quiet_files_without_an_end_only_objects_are_followed_and_the_others_once_they_end(tmp_path):
    for n in range(FEW + 30):
        half = tmp_path / f"half-{n}.json"
        half.write_bytes(line(1000 + n).encode()[:-9])
        (tmp_path / f"{n}.json").write_bytes(answer(n)[:-1])
        for path in (half, tmp_path / f"{n}.json"):
            os.utime(path, (time.time() - 60, time.time() - 60))
    following = follower(tmp_path / "w", tmp_path / "*.json*")
    catch_up(following)
    assert calls(tmp_path / "w") == exactly(*range(FEW + 30))

    for n in range(FEW + 30):
        with (tmp_path / f"half-{n}.json").open("ab") as file:
            file.write(line(1000 + n).encode()[-9:])
    catch_up(following)
    following.close()
    assert calls(tmp_path / "w") == exactly(*range(FEW + 30), *range(1000, 1000 + FEW + 30))
