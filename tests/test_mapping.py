"""A mapping file reads a log without code, and tells its author what is wrong in it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import ingest
from ingest.choices import mapping_in, mappings_in
from ingest.cli import cli
from ingest.errors import IngestError
from parsers.blocks.lines import Block
from parsers.claims.parse import parse
from parsers.mapping.mapping import format_of, unmatched
from parsers.mapping.toml import MappingError, mapping_of

MAPPINGS = Path(__file__).parent.parent / "fixtures" / "mappings"
GOOD = '[lines]\ncontains = "x"\n\n[columns]\nmodel = "m"\nrequest_tokens = "in"\n'


def _known(rows):
    return [{n: v for n, v in row.items() if v is not None} for row in json.loads(rows.write_json())]


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.toml")), ids=lambda path: path.stem)
def test_example_gives_the_rows_beside_it(path, request):
    log = next(path.with_suffix(suffix) for suffix in (".log", ".csv") if path.with_suffix(suffix).exists())
    rows = parse(Block(log.read_bytes(), sealed=True), [format_of(mapping_in(path))])
    expected = path.with_suffix(".rows.json")
    found = {
        "calls": _known(rows.calls),
        **({"events": _known(rows.events)} if len(rows.events) else {}),
        "rejects": rows.rejects["reason"].to_list(),
    }
    if request.config.getoption("--golden"):
        expected.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert found == json.loads(expected.read_text())


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('[lines]\ncontains = "x"\nmatch = "y"\n', 3, "did you mean `matches`?"),
        (GOOD.replace("request_tokens", "requesttokens"), 6, "did you mean `request_tokens`?"),
        (GOOD.replace('model = "m"\n', ""), 4, "no column for model"),
        (GOOD.replace('"in"', '"a..b"'), 6, "not a path"),
        (GOOD + '[units]\nlatency = "minutes"\n', 8, "use s, ms, us, ns"),
        (GOOD + '[units]\nzone = "Mars/Base"\n', 8, "unknown zone"),
        (GOOD + '[tokens]\nrequest_includes_cache = "no"\n', 8, "true or false"),
        (GOOD.replace('contains = "x"', "pattern = '(?P<m>'"), 2, "not a regex"),
        (GOOD.replace('contains = "x"', "pattern = '(?P<m>.)'"), 6, "no group `in`"),
        (GOOD.replace('[lines]\ncontains = "x"\n', ""), 1, "nothing says which lines"),
        ("[lines\n", None, "line 1"),
        (GOOD + 'contains = "y"\n', 7, "it belongs under `[lines]`"),
        (GOOD + "[colums]\n", 7, "did you mean `columns`?"),
        (GOOD.replace('"in"', '"calls[].in"').replace('"m"', '"runs[].m"'), 4, "two arrays"),
        (GOOD.replace('"m"', '"a + b"'), 5, "no number"),
        (
            GOOD.replace('contains = "x"', "unwrap = '^x'\nequals = {a = 1}").replace("'^x'", "'^x (a) (b)'"),
            2,
            "2 groups",
        ),
        (GOOD.replace('contains = "x"', "unwrap = 'a..b'\nequals = {a = 1}"), 2, "not a path"),
        (GOOD.replace('contains = "x"', 'contains = "x"\ncsv = true'), 2, "use `equals`"),
        (GOOD.replace('contains = "x"', "csv = true\npattern = 'x'"), 2, "keep one"),
    ],
)
def test_mistake_names_its_line_and_the_remedy(tmp_path, text, where, what):
    file = tmp_path / "own.toml"
    file.write_text(text)

    with pytest.raises(IngestError) as caught:
        mapping_in(file)

    assert what in str(caught.value)
    assert where is None or f"own.toml:{where}: " in str(caught.value)


INNER = json.dumps({"event": "done", "m": "gpt-4o", "in": 4, "out": 5})


def by_names(event="event", model="m", request="in", response="out"):
    return (
        f"[lines]\nequals = {{ {event} = 'done' }}\n"
        f"[columns]\nmodel = '{model}'\nrequest_tokens = '{request}'\nresponse_tokens = '{response}'\n"
    )


OWN = by_names()
TEXT = """[lines]
contains = "model="
pattern = '^(?P<at>\\S+) INFO model=(?P<m>\\S+) "in"=(?P<in>\\d+) out=(?P<out>\\d+)'

[columns]
created_at = "at"
model = "m"
request_tokens = "in"
response_tokens = "out"
"""
TEXT_LINE = '2026-03-01T10:00:00Z INFO model=gpt-4o "in"=4 out=5'
DOCKER, GCP = (
    {"stream": "stdout", "time": "2026-03-01T10:00:01Z"},
    {"logName": "l", "timestamp": "2026-03-01T10:00:01Z"},
)
WRAPPERS = {
    "docker": lambda line: json.dumps({"log": line + "\n", **DOCKER}),
    "cri": lambda line: f"2026-03-01T10:00:01Z stdout F {line}",
    "journald": lambda line: json.dumps({"MESSAGE": line, "__REALTIME_TIMESTAMP": "1772359201000000"}),
    "syslog": lambda line: f"<14>1 2026-03-01T10:00:01Z host app 1 - - {line}",
    "json": lambda line: json.dumps({"message": line, "level": "info"}),
    "kubectl": lambda line: f"[pod/app-1/main] {line}",
}


def read(log, *mappings):
    described = [format_of(mapping_of(text, f"m{i}.toml")) for i, text in enumerate(mappings)]
    return parse(Block(log.encode(), sealed=True), described)


@pytest.mark.parametrize("name", WRAPPERS)
@pytest.mark.parametrize(("mapping", "line"), [(OWN, INNER), (TEXT, TEXT_LINE)], ids=["json", "text"])
def test_known_envelopes_are_taken_off_lines_that_only_a_mapping_knows(name, mapping, line):
    wrap = WRAPPERS[name]
    filler = [wrap(line.replace("done", "begun").replace("model=", "")) for _ in range(300)]
    log = "\n".join([line, *filler, wrap(line), *filler]) + "\n"

    calls = read(log, mapping).calls

    assert calls.select("model", "request_tokens", "response_tokens").rows() == [("gpt-4o", 4, 5)] * 2
    assert calls["format"].to_list() == ["m0", f"m0+{name}"]
    assert log.encode()[calls["source_offset"][1] :].startswith(wrap(line).encode())


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (
            {"jsonPayload": json.loads(INNER), **GCP},
            ("jsonPayload.event", "jsonPayload.m", "jsonPayload.in", "jsonPayload.out"),
        ),
        ({"log": INNER, **DOCKER}, ("log.event", "log.m", "log.in", "log.out")),
        ({"@t": "2026-03-01", "@mt": "x", "E": "done", "M": "gpt-4o", "In": 4, "Out": 5}, ("E", "M", "In", "Out")),
    ],
    ids=["gcp", "docker", "serilog"],
)
def test_a_mapping_that_names_places_in_an_envelope_reads_the_line_as_it_is(line, names):
    calls = read(json.dumps(line) + "\n", by_names(*names)).calls

    assert calls.select("model", "request_tokens", "response_tokens", "format").rows() == [("gpt-4o", 4, 5, "m0")]


def test_each_line_is_of_the_first_mapping_that_takes_it():
    log = f"{INNER}\n{INNER.replace('event', 'kind')}\n{TEXT_LINE}\n{INNER.replace('event', 'no')}\n"

    assert read(log, OWN, by_names("kind"), TEXT).calls["format"].to_list() == ["m0", "m1", "m2"]
    assert read(log, GOOD.replace('"x"', '"gpt"'), OWN).calls["format"].to_list() == ["m0", "m0", "m0"]


def columns_of(**columns):
    written = "".join(f"{name} = '{place}'\n" for name, place in columns.items())
    return f"[lines]\ncontains = 'k'\n[columns]\n{written}"


@pytest.mark.parametrize(
    ("mapping", "record", "sides", "reasons"),
    [
        (
            columns_of(model="m", usage=""),
            {"k": 1, "m": "gpt-4o", "prompt_tokens": 5, "completion_tokens": 6},
            [("gpt-4o", 5, 6)],
            [],
        ),
        (
            columns_of(model="c[].m", usage="c[]"),
            {"k": 1, "c": [{"m": "gpt-4o", "prompt_tokens": 5, "completion_tokens": 6}]},
            [("gpt-4o", 5, 6)],
            [],
        ),
        (
            columns_of(model="a[].b[].m", request_tokens="a[].b[].n", response_tokens="a[].o"),
            {"k": 1, "a": [{"o": 1, "b": [{"m": "x", "n": 5}, {"m": "y", "n": 6}]}, {"o": 2, "b": []}]},
            [("x", 5, 1), ("y", 6, 1)],
            [],
        ),
        (
            columns_of(model="c[].m", request_tokens="c[].n"),
            {"k": 1, "c": {"m": "gpt-4o", "n": 5}},
            [],
            ["no `model`"],
        ),
        (
            columns_of(model="c[].m", request_tokens="c[].n + more"),
            {"k": 1, "more": 3, "c": [{"m": "x", "n": 5}, 7, {"m": "y"}]},
            [("x", 8, None), ("y", 3, None)],
            ["not a JSON object"],
        ),
        (
            columns_of(model="c[].m", request_tokens="c[].n") + "\n[constants]\nresponse_tokens = 1\n",
            {"k": 1, "c": json.dumps([{"m": "x", "n": 5}])},
            [("x", 5, 1)],
            [],
        ),
    ],
    ids=["usage at the top", "usage is the element", "array in array", "no array", "sum over levels", "array in text"],
)
def test_places_lead_to_the_top_into_arrays_and_over_levels(mapping, record, sides, reasons):
    rows = read(json.dumps(record) + "\n", mapping)

    assert rows.calls.select("model", "request_tokens", "response_tokens").rows() == sides
    assert rows.rejects["reason"].to_list() == reasons


def test_a_file_of_one_line_is_a_record_and_no_document_of_what_its_array_holds(tmp_path):
    (tmp_path / "own.toml").write_text(columns_of(model="c[].m", request_tokens="c[].n", session_id="s"))
    (tmp_path / "app.log").write_text(json.dumps({"s": "s-1", "c": [{"k": 1, "m": "x", "n": 5}] * 2}) + "\n")

    done = ingest.backfill(tmp_path / "app.log", tmp_path / "w", mapping=tmp_path / "own.toml")

    assert (done.totals.calls, done.totals.rejects) == (2, 0)


def test_backfill_takes_several_mappings_and_tells_of_each_why_it_takes_no_line(tmp_path):
    for name, text in (("a", OWN), ("b", by_names("kind"))):
        (tmp_path / f"{name}.toml").write_text(text)
    given = [f"--mapping={tmp_path / 'a.toml'}", f"--mapping={tmp_path / 'b.toml'}", "-w", str(tmp_path / "w")]
    (tmp_path / "both.log").write_text(f"{INNER}\n{INNER.replace('event', 'kind')}\n")
    (tmp_path / "none.log").write_text('{"event":"begun"}\n')

    read_both = CliRunner().invoke(cli, ["backfill", str(tmp_path / "both.log"), *given])
    read_none = CliRunner().invoke(cli, ["backfill", str(tmp_path / "none.log"), *given])

    assert "added 2 records" in read_both.output
    assert 'a.toml takes no line; the first is not taken because its `event` is not "done"' in read_none.output
    assert 'b.toml takes no line; the first is not taken because its `kind` is not "done"' in read_none.output


def test_two_mappings_of_one_name_are_told_apart_by_their_files(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "own.toml").write_text(OWN)

    with pytest.raises(IngestError, match=r"a/own\.toml and .*b/own\.toml both describe `own`"):
        mappings_in([tmp_path / "a" / "own.toml", tmp_path / "b" / "own.toml"])


@pytest.mark.parametrize("cut", range(0, 700, 7))
def test_a_log_cut_anywhere_gives_the_rows_of_the_whole(cut):
    described = [format_of(mapping_in(MAPPINGS / "agent-lines.toml"))]
    log = (MAPPINGS / "agent-lines.log").read_bytes()
    whole = parse(Block(log, sealed=True), described)

    at = log.rfind(b"\n", 0, cut) + 1
    first = parse(Block(log[:at]), described)
    rest = parse(Block(log[first.end :], first.end, sealed=True), described, first.contexts)

    assert first.calls.vstack(rest.calls).equals(whole.calls)


@pytest.mark.parametrize("member", ["prompt", "messages", "api_key", "response.content"])
def test_what_is_never_stored_is_no_place_for_metadata(member):
    with pytest.raises(MappingError, match=r"own\.toml:8: .*never stored"):
        mapping_of(f'{GOOD}[metadata]\nnote = "{member}"\n', "own.toml")


def test_line_that_is_not_taken_is_explained_without_control_characters():
    message = unmatched([mapping_in(MAPPINGS / "mattermost.toml")], '{"msg":"Other\x1b[31m"}')

    assert 'its `msg` is not "Token Usage"' in message
    assert "\x1b" not in message
