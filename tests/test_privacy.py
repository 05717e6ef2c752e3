"""Prompts, responses and secrets are nowhere in the warehouse, whatever field of whatever format held them.

Each fixture is read with a text and a key planted in every field in turn, and in invented ones; then every column of
every table is looked at, and every byte of every file.

What an error says is for people: its first line is kept as text, so that only the key must be gone there. Columns of
identifiers (`model`, `session_id`, …) are what the log says as long as that may be an identifier: a text with blanks
of at most 64 characters, or a word. The planted text is longer, and a digest stands in its place.
"""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from databases import read, sqlite
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import intake

from ingest.choices import formats_of, mappings_in
from ingest.databases.dims import take
from ingest.files.paths import find
from ingest.history.backfill import backfill
from parsers.catalogue import FORMATS
from parsers.jsonl.structure import digests, structure
from parsers.values.privacy import (
    LONGEST_LABEL,
    Rule,
    extend_labels,
    guarded_rows,
    is_kept,
    keeps,
    masked,
    rule_of,
)

FIXTURES = Path(__file__).parent.parent / "fixtures"
TEXT = "Please summarise for the board why the PLANTED-APRICOT deal with our landlord has to fall through by Friday"
KEYS = (
    "sk-proj-PLANTEDplum0123456789abcdef",
    "Bearer PLANTEDplum.0123456789abcdef",
    "postgres://admin:PLANTEDplum@db.internal:5432/app",
)
MARKS = ("PLANTED-APRICOT", "landlord", "PLANTEDplum")
ERRORS = {"error", "reason"}

JSON_LINES = sorted(FIXTURES.glob("*/*.jsonl"))
OTHERS = sorted(p for p in FIXTURES.glob("*/*") if p.suffix in {".log", ".csv"} and p.parent.name != "rc3")
SQLITE = sorted(FIXTURES.glob("*/*.sqlite.sql"))


def named(paths):
    return [str(path.relative_to(FIXTURES)) for path in paths]


def places(value, above=()):
    """Yield the path of each scalar in *value*, and of each array and object."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*above, key)
        if isinstance(item, dict | list):
            yield from places(item, (*above, key))


def planted(record, path, value):
    """Return *record* with *value* at *path*."""
    copy = json.loads(json.dumps(record))
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return copy


INVENTED = ("new_field", "full_prompt", "rawResponse", "reply", "chat.history", "access_token", "database_url", "note")


def variants(record):
    """Yield *record* with something planted: in each of its fields, in invented ones, and within texts and names."""
    for number, path in enumerate(places(record)):
        yield planted(record, path, TEXT)
        yield planted(record, path, KEYS[number % len(KEYS)])
        yield planted(record, path, {"a": TEXT, "b": [TEXT, KEYS[0]], "team": KEYS[1]})
        yield planted(record, path, json.dumps({"c": TEXT, "messages": [{"role": "user", "content": TEXT}]}))
        yield planted(record, path, f"HTTP 401 for {KEYS[number % len(KEYS)]}\n{TEXT}")
    tops = [(), *(path for path in places(record) if isinstance(at(record, path), dict))]
    for path in tops:
        fields = {name: value for name in INVENTED for value in (TEXT,)} | {f"{n}_2": KEYS[0] for n in INVENTED}
        for more in (fields, {TEXT: 1, KEYS[0]: 2}, {"deep": {"er": [{"x": TEXT}, TEXT, [KEYS[1]]]}}):
            yield planted(record, path, at(record, path) | more) if path else record | more


def at(record, path):
    for key in path:
        record = record[key]
    return record


def stored(warehouse):
    """Return what each column of each table holds, and all bytes that are no data file's."""
    found = {}
    for table in ("llm_calls", "llm_events", "rejects", "batches"):
        frame = pl.scan_delta(str(warehouse / table)).drop("source_path").collect()
        found |= {(table, name): frame[name] for name in frame.columns}
    return found


def leaks(warehouse):
    """Return which columns hold something that was planted; the text may be in what an error says."""
    found = set()
    for (table, column), values in stored(warehouse).items():
        if values.dtype == pl.String:
            marks = MARKS if column not in ERRORS else MARKS[-1:]
            found |= {(table, column, mark) for mark in marks if values.str.contains(mark, literal=True).any()}
    return found


def ingest(folder, *paths, formats=FORMATS):
    """Return the warehouse that holds *paths*, and how many rows that gave."""
    with intake(folder / "w", formats) as into:
        backfill(find([str(path) for path in paths]), into, progress=lambda *_: None)
        return folder / "w", into.totals.calls + into.totals.events + into.totals.rejects


@pytest.mark.parametrize("path", JSON_LINES, ids=named(JSON_LINES))
def test_nothing_planted_in_json_is_kept(path, tmp_path):
    lines = [line for line in path.read_text("utf-8", "replace").splitlines() if line.strip()]
    distinct = {}
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            distinct.setdefault(frozenset(".".join(map(str, p)) for p in places(record)), record)
    context = [line for line in lines[:1] if line.startswith("{")]
    spoiled = [json.dumps(v, ensure_ascii=False) for record in list(distinct.values())[:6] for v in variants(record)]
    log = tmp_path / path.name
    log.write_text("\n".join([*context, *spoiled, *(line[: len(line) * 3 // 4] for line in spoiled[:20])]) + "\n")

    warehouse, rows = ingest(tmp_path, log)

    assert rows
    assert leaks(warehouse) == set()


@pytest.mark.parametrize("path", OTHERS, ids=named(OTHERS))
def test_nothing_planted_in_text_is_kept(path, tmp_path):
    lines = path.read_text("utf-8", "replace").splitlines()
    spoiled = []
    for line in lines[:12]:
        words = list(re.finditer(r"[^\s,;'\"()\[\]]+", line))
        for number, word in enumerate(words[:40]):
            values = TEXT, KEYS[number % len(KEYS)]
            spoiled += [line[: word.start()] + value + line[word.end() :] for value in values]
    if path.suffix == ".csv":
        separator = max(",;\t", key=lines[0].count)
        quoted = [f'"{value}"' for value in (TEXT, *KEYS)]
        lines[0] += "".join(f"{separator}{name}" for name in ("invented", "team", "full_prompt", "api_key"))
        lines[1:] = [line + separator + separator.join(quoted) for line in lines[1:]]
    log = tmp_path / path.name
    log.write_text("\n".join([*lines, *spoiled]) + "\n")
    mapping = path.with_suffix(".toml")
    formats = formats_of(None, mappings_in(mapping)) if mapping.exists() else FORMATS

    warehouse, rows = ingest(tmp_path, log, formats=formats)

    assert rows or path.stem == "look-alikes"
    assert leaks(warehouse) == set()


@pytest.mark.parametrize("script", SQLITE, ids=named(SQLITE))
def test_nothing_planted_in_a_database_is_kept(script, tmp_path):
    with closing(sqlite(tmp_path / "plain.db", script)) as plain:
        tables = [
            name
            for (name,) in plain.execute(
                "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
            )
        ]
        columns = {row[1] for table in tables for row in plain.execute(f'pragma table_info("{table}")')}
    databases = []
    for column in sorted(columns | {"invented"}):
        databases.append(tmp_path / column / "exec-20260502" / "app.db")
        with closing(sqlite(databases[-1], script)) as database:
            for table in tables:
                plant(database, table, column)
    if script.parent.name == "maestro-db":
        for database in databases:
            assert take(str(database), (), tmp_path / "w")
            texts = "".join(pl.read_parquet(file).write_csv() for file in (tmp_path / "w/dims").rglob("*.parquet"))
            marks = MARKS if not {"explanation", "hold_reason"} & set(database.parts) else MARKS[-1:]
            assert not [mark for mark in marks if mark in texts]
        return
    with intake(tmp_path / "w") as into:
        for database in databases:
            read(into, database)
        assert into.totals.calls

    assert leaks(tmp_path / "w") == set()


def plant(database, table, column):
    """Put something else into the *column* of each row of *table*, where the table takes it."""
    if column == "invented":
        database.execute(f'alter table "{table}" add column invented text')
    for number, value in enumerate((TEXT, *KEYS)):
        try:
            database.execute(f'update "{table}" set "{column}" = ? where rowid % 4 = {number}', [value])  # noqa: S608
        except sqlite3.Error:
            return  # no such column here, or a constraint: such a row can't be


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("rc3/*.log")), ids=lambda p: p.name)
def test_a_planted_secret_is_in_no_byte_of_any_file(path, tmp_path):
    bad = b'{"time":"soon","model":"gpt-4o","input_tokens":1,"output_tokens":1,"prompt":"%s","key":"%s"}\n'
    log = tmp_path / "maestro.log"
    log.write_bytes(path.read_bytes() + bad % (TEXT.encode(), KEYS[0].encode()))
    warehouse, _ = ingest(tmp_path, log)

    tables = [str(pl.read_parquet(file).to_dicts()).encode() for file in warehouse.rglob("*.parquet")]
    others = [file.read_bytes() for file in warehouse.rglob("*") if file.is_file()]
    assert not [mark for mark in MARKS for data in tables + others if mark.encode() in data]


def test_the_text_of_a_reject_is_kept_where_that_is_asked_for(tmp_path):
    log = tmp_path / "app.jsonl"
    log.write_text('{"time":"soon","model":"gpt-4o","input_tokens":1,"output_tokens":1,"prompt":"hello"}\n')
    with intake(tmp_path / "w") as into:
        into.publisher.keep_raw = True
        backfill(find([str(log)]), into, progress=lambda *_: None)

    assert pl.scan_delta(str(tmp_path / "w/rejects")).collect()["line"].to_list() == [log.read_text().rstrip()]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        *(
            (name, Rule.NEVER)
            for name in ("prompt", "full_prompt", "rawResponse", "reply", "chat-history", "userInput")
        ),
        *((name, Rule.NEVER) for name in ("authorization", "access_token", "X-Api-Key", "apikey", "db_password")),
        *((name, Rule.NEVER) for name in ("password_encrypted", "secretValue", "api_key_base64", "password2")),
        *((name, Rule.WORD) for name in ("api_key_id", "base_value", "token_type", "plain")),
        *((name, Rule.NEVER) for name in ("message.body", "HTTPBody", "toolCalls", "inputjson", "messages", "answers")),
        *((name, Rule.WORD) for name in ("message_id", "prompt_version", "history_len", "content_type", "replyFormat")),
        *((name, Rule.WORD) for name in ("model", "cwd", "status_code", "max_tokens", "context", "database_url", "n")),
        *(
            (name, Rule.LABEL)
            for name in ("team", "teamName", "cost_centre", "costCenter", "project", "customer", "env")
        ),
        *((name, Rule.TAGS) for name in ("tags", "request_tags", "labels")),
    ],
)
def test_a_name_says_what_may_be_under_it(name, rule):
    assert rule_of(name) is rule


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=150)
    | st.sampled_from(
        (TEXT, *KEYS, "2026-02-03 14:00:00", "1,234", "-1.5e3", "a b", "請求書の内容を要約してください", "x%20y")
    ),
    st.sampled_from(Rule),
)
def test_columns_are_guarded_as_single_values_are(text, rule):
    frame = pl.DataFrame({"text": [text]})

    assert frame.select(keeps(pl.col("text"), rule)).item() is is_kept(text, rule)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("401: Incorrect API key provided: sk-proj-abc0123456789.", "401: Incorrect API key provided: sk-…."),
        ("cannot reach postgres://me:p@ss/word@db:5432/app", "cannot reach postgres://…db:5432/app"),
        ("got header Bearer abc.def.ghi from proxy", "got header Bearer … from proxy"),
        ("GET https://x.y/z?key=0123456789&n=1 failed", "GET https://x.y/z?key=…&n=1 failed"),
        ('{"api_key": "0123456789", "model": "m"}', '{"api_key": "…", "model": "m"}'),
        ("maximum context: 4096 tokens: 5000 requested in task-0123456789", None),
        ("basic authentication is not supported; see https://docs.x.y:443/auth", None),
    ],
)  # fmt: skip
def test_secrets_are_masked_in_what_an_error_says(text, left):
    assert pl.select(masked(pl.lit(text))).item() == (left or text)


def test_identifiers_are_kept_as_logged_unless_they_can_be_none():
    long, key = "word " * 30, "sk-0123456789abcdef"
    names = ["gpt-4o", "Code Reviewer", "arn:" + "a" * 200, long, key, key, "x" * 300, None]
    rows = guarded_rows(pl.DataFrame({"model": names, "error": [f"first\n{long}"] * len(names)}))

    kept = rows["model"].to_list()
    assert kept[:3] == names[:3]
    assert all(re.fullmatch("#[0-9a-f]{16}", name) for name in kept[3:7])
    assert kept[4] == kept[5] != kept[3]
    assert set(rows["error"]) == {"first"}


def test_a_reject_keeps_its_structure():
    line = '{"level":"info","prompt":"Tell me all","usage":{"input_tokens":-1},"n":[1,"two words"],"ok":true}'
    told = json.loads(structure(line))

    assert told["record"] == {
        "level": "info",
        "prompt": "<text of 11>",
        "usage": {"input_tokens": -1},
        "n": [1, "<text of 9>"],
        "ok": True,
    }
    assert json.loads(structure(line[:50]))["keys"] == ["level", "prompt", "usage"]
    assert json.loads(structure("a text without more"))["length"] == len("a text without more")


def test_a_reject_is_told_apart_by_its_text_or_its_structure_alike():
    lines = pl.DataFrame({"line": ["one text", structure("one text"), structure("another"), None]})

    first, second, third, none = lines.select(digests(pl.col("line"))).to_series()
    assert first == second != third
    assert none not in (None, first, third)


def test_a_user_says_which_names_are_labels():
    text = "three words here"
    assert not is_kept(text, rule_of("guild"))
    extend_labels(["guild", "Profit Center"])
    assert is_kept(text, rule_of("guild"))
    assert is_kept(text, rule_of("profit_center"))
    assert not is_kept("x " * LONGEST_LABEL, rule_of("guild"))
