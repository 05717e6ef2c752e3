"""Lines in the envelopes of collectors, runtimes and terminals: their rows are those of the bare lines."""

import json
from itertools import pairwise

import polars as pl
import pytest
from wrapped import KUBERNETES, LINES, MILLIS, OBJECTS, TEXTS, TIME, TIMELESS, as_json, in_docker

from parsers import FORMATS, Block, parse, recover
from parsers.claims.documents import parse_document
from parsers.envelopes.known_envelopes import ENVELOPES
from parsers.explain.explain import explain
from parsers.mapping.mapping import format_of
from parsers.mapping.toml import mapping_of

OURS = {"format", "host", "metadata", "source_offset", "source_id", "source_path", "ingested_at"}


def rows(text, *, document=False):
    data = text.encode()
    found = parse_document(data, FORMATS) if document else parse(Block(data, sealed=True), FORMATS)
    return found.calls


def bare(frame):
    return frame.drop(OURS).rows()


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("envelope", TEXTS)
def test_a_wrapped_line_gives_the_row_of_the_bare_one(envelope, kind):
    wrap = TEXTS[envelope]

    found = rows(wrap("starting") + "\n" + wrap(LINES[kind]) + "\n")

    assert bare(found) == bare(rows(LINES[kind] + "\n"))
    assert found["format"][0].partition("+")[0] == rows(LINES[kind] + "\n")["format"][0]
    assert "+" in found["format"][0]


@pytest.mark.parametrize("kind", ["record", "response"])
def test_a_record_as_text_in_custom_dimensions_gives_the_row_of_the_bare_one(kind):
    found = rows(json.dumps({"timestamp": TIME, "message": "llm", "customDimensions": LINES[kind]}) + "\n")

    assert bare(found) == bare(rows(LINES[kind] + "\n"))


@pytest.mark.parametrize("kind", ["record", "response"])
@pytest.mark.parametrize("envelope", OBJECTS)
def test_a_record_in_an_object_gives_the_row_of_the_bare_one(envelope, kind):
    found = rows(OBJECTS[envelope](json.loads(LINES[kind])) + "\n")

    expected, got = rows(LINES[kind] + "\n"), found
    if kind == "response" and envelope not in ("gcp json", "filebeat json", "loguru"):
        expected, got = expected.drop("created_at"), got.drop("created_at")  # the time beside a response says when
    assert bare(got) == bare(expected)


def test_the_time_of_the_envelope_is_that_of_a_record_without_one():
    times = {
        name: rows(wrap(TIMELESS) + "\n").select("created_at", "ts_source").row(0)
        for name, wrap in TEXTS.items()
        if name in ("docker", "journald", "cri", "gcp text", "logcli", "syslog 5424", "filebeat", "vector", "heroku")
    }

    assert {at.strftime("%H:%M:%S") for at, _ in times.values()} == {"08:01:00"}
    assert {source for _, source in times.values()} == {"log"}


def test_the_envelope_says_which_host_and_container_and_nothing_more():
    line = as_json(date=1786348860.5, log=LINES["text"], secret="s", stream="stdout", kubernetes=KUBERNETES)  # noqa: S106

    (call,) = rows(line + "\n").to_dicts()

    assert call["host"] == "node-a"
    assert json.loads(call["metadata"]) == {
        "container": "app", "pod": "app-0", "namespace": "prod", "stream": "stdout"
    }  # fmt: skip
    assert call["format"] == "maestro-log/V6+fluent-bit"


def test_what_a_collector_pushes_says_so_once_for_all_lines_of_a_stream():
    (call,) = rows(TEXTS["loki push"](LINES["text"]) + "\n").to_dicts()

    assert (call["host"], json.loads(call["metadata"])) == ("node-a", {"pod": "api-1", "service": "api"})
    assert call["format"] == "maestro-log/V6+loki"


def test_a_response_has_the_same_key_in_its_envelope():
    keys = {rows(line + "\n")["dedupe_key"].item() for line in (LINES["response"], in_docker(LINES["response"]))}

    assert keys == {"openai-chat:chatcmpl-AbCdEfGhIjKlMnOpQrStUv"}


@pytest.mark.parametrize("kind", LINES)
def test_documents_of_log_services_are_read_line_by_line(kind):
    line, starting = LINES[kind], "starting"
    documents = (
        {"events": [{"timestamp": MILLIS, "message": m, "eventId": "1"} for m in (starting, line)]},
        {"data": {"result": [{"stream": {"app": "a"}, "values": [[f"{MILLIS}000000", m] for m in (starting, line)]}]}},
        {
            "results": [
                [{"field": "@timestamp", "value": TIME}, {"field": "@message", "value": m}] for m in (starting, line)
            ]
        },
    )
    for document in documents:
        for text in (json.dumps(document), json.dumps(document, indent=2)):
            assert bare(rows(text, document=True)) == bare(rows(line + "\n")), text


def _pieces(wrap, line, size):
    return [wrap(line[i : i + size], last=i + size >= len(line)) for i in range(0, len(line), size)]


def _docker_piece(text, *, last, stream="stdout"):
    return as_json(log=text + ("\n" if last else ""), stream=stream, time=TIME)


def _cri_piece(text, *, last, stream="stdout"):
    return f"{TIME} {stream} {'F' if last else 'P'} {text}"


def _interleaved(wrap):
    """Return a log in which each line is in three pieces, and lines of the other stream fall between them."""
    lines = []
    for line in LINES.values():
        other = [wrap("half of ", last=False, stream="stderr"), wrap("a warning", last=True, stream="stderr")]
        for i, piece in enumerate(_pieces(wrap, line, len(line) // 3 + 1)):
            lines += [piece, *other[i : i + 1]]
    return "".join(f"{line}\n" for line in lines).encode()


@pytest.mark.parametrize("wrap", [_docker_piece, _cri_piece], ids=["docker", "cri"])
def test_any_cut_of_a_log_of_pieces_gives_the_same_rows(wrap):
    data = _interleaved(wrap)
    whole = parse(Block(data, sealed=True), FORMATS).calls
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    assert bare(whole) == [row for line in LINES.values() for row in bare(rows(line + "\n"))]

    for cut in [0, *ends]:
        first = parse(Block(data[:cut]), FORMATS)
        rest = parse(Block(data[first.end :], first.end, sealed=True), FORMATS, first.contexts)

        assert pl.concat([first.calls, rest.calls]).equals(whole), cut


@pytest.mark.parametrize("wrap", [_docker_piece, _cri_piece], ids=["docker", "cri"])
def test_a_log_is_resumed_at_any_line_where_it_was_left(wrap):
    data = _interleaved(wrap)
    whole = parse(Block(data, sealed=True), FORMATS).calls
    ends = [0, *(i + 1 for i, byte in enumerate(data) if byte == ord("\n"))]

    at, found = 0, []
    for _, end in pairwise(ends):
        part = parse(Block(data[at:end], at, sealed=end == len(data)), FORMATS)
        found.append(part.calls)
        at = part.end

    assert pl.concat(found).equals(whole)


OWN = """
[lines]
contains = "llm.done"
unwrap = {unwrap}
[columns]
model = "model"
request_tokens = "in"
response_tokens = "out"
request_id = "id"
"""


def _own_piece(text, *, last, stream="stdout"):
    return f"{stream}|{'' if last else '+'}|{text}"


@pytest.mark.parametrize(
    ("wrap", "before", "unwrap"),
    [
        (_docker_piece, "", '"log"'),
        (_docker_piece, "[app] ", """["log", '^\\[app\\] (.*)$']"""),
        (_own_piece, "", r"""'^(?P<stream>std...)\|(?P<part>\+)?\|(?P<line>.*)$'"""),
        (_cri_piece, "", r"""'^\S+ (?P<stream>\S+) (?:(?P<part>P)|F) (?P<line>.*)$'"""),
    ],
    ids=["docker", "regex in docker", "regex", "regex of cri"],
)
def test_any_cut_of_pieces_that_a_mapping_unwraps_gives_the_same_rows(wrap, before, unwrap):
    formats = (*FORMATS, format_of(mapping_of(OWN.format(unwrap=unwrap), "own.toml")))
    said = [json.dumps({"ev": "llm.done", "id": i, "model": "gpt-4o", "in": 9 + i, "out": 4}) for i in range(3)]
    lines = []
    for line in said:
        other = [wrap("half of ", last=False, stream="stderr"), wrap("a warning", last=True, stream="stderr")]
        for i, piece in enumerate(_pieces(wrap, before + line, len(line) // 3 + 1)):
            lines += [piece, *other[i : i + 1]]
    data = "".join(f"{line}\n" for line in lines).encode()
    whole = parse(Block(data, sealed=True), formats).calls
    assert whole["request_id"].to_list() == ["0", "1", "2"]

    for cut in {data.rfind(b"\n", 0, at) + 1 for at in range(len(data) + 1)}:  # a line is read when it has ended
        first = parse(Block(data[:cut]), formats)
        rest = parse(Block(data[first.end :], first.end, sealed=True), formats, first.contexts)

        assert pl.concat([first.calls, rest.calls]).equals(whole), cut


def test_pieces_that_never_end_stall_nothing():
    piece = (_docker_piece("x" * 16384, last=False) + "\n").encode()
    data = (in_docker(LINES["text"]) + "\n").encode() + piece * 1100

    found = parse(Block(data), FORMATS)

    assert found.calls.height == 1
    assert found.end == len(data)


@pytest.mark.parametrize(
    ("time", "between", "taken"),
    [
        ("2026-03-04T11:00:30Z", 1, 0),  # it may go on
        ("2026-03-04T11:02:00Z", 1, 1),
        ("2026-03-04T11:00:30Z", 5_000, 5_000),
    ],
)
def test_a_piece_that_is_left_alone_holds_nothing_up_for_long(time, between, taken):
    def piece(log, at="2026-03-04T11:00:00Z", stream="stdout"):
        return as_json(log=log, stream=stream, time=at) + "\n"

    alone = piece("Enter your name: ", stream="stderr")
    data = (alone + piece(LINES["text"] + "\n", time) * between).encode()
    found = parse(Block(data), FORMATS)
    assert found.calls.height == taken

    # What comes then belongs to the piece only where it was waited for.
    more = (piece("Ada\n", time, "stderr") + piece(LINES["text"] + "\n", time)).encode()
    rest = parse(Block(data[found.end :] + more, found.end), FORMATS, found.contexts)
    assert found.calls.height + rest.calls.height == between + 1
    whole = parse(Block(data + more), FORMATS).calls
    assert pl.concat([found.calls, rest.calls]).equals(whole)


def test_a_record_over_several_lines_of_a_stream_is_one():
    failure = (
        "[2026-08-10T08:00:05.777Z] [llm-middleware] INFO: LLM call to model 'm' failed: latency 1.2s, error: a\n"
        '{\n  "error": "b"\n} (agent: coder-001, story: s, state: CODING)\n'
    )
    after = "[2026-08-10T08:00:06.000Z] [coder-001] INFO: next\n"

    for wrap in (in_docker, TEXTS["cri"], TEXTS["journald"], TEXTS["compose"]):
        wrapped = "".join(wrap(line) + "\n" for line in (failure + after).splitlines())
        assert bare(rows(wrapped)) == bare(rows(failure + after))


def test_what_lines_before_say_is_known_in_an_envelope_too():
    session = "[2026-08-10T08:00:00.000Z] [config] INFO: Session ID: 1786348800"
    before = Block((in_docker(session) + "\n").encode())

    contexts = recover(before, FORMATS)
    call = parse(Block((in_docker(LINES["text"]) + "\n").encode(), 100), FORMATS, contexts).calls

    assert contexts == parse(before, FORMATS).contexts
    assert call["session_id"].to_list() == ["1786348800"]


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"role": "user", "message": LINES["record"]}),
        json.dumps({"prompt": LINES["record"], "time": TIME}),
        json.dumps({"level": "info", "content": LINES["response"]}),
        json.dumps({"messages": [{"role": "user", "content": LINES["record"]}]}),
        json.dumps({"timestamp": TIME, "message": "limits", "data": {"model": "gpt-4o", "max_tokens": 4096}}),
        f"[2026-08-10T08:00:05.777Z] [coder-001] INFO: the log says {LINES['text']}",
        f"the answer is {LINES['record']}",
    ],
)
def test_what_is_quoted_is_no_call(line):
    assert rows(line + "\n").is_empty()


def test_a_record_of_its_own_is_no_envelope():
    own = {"time": "2026-08-10T08:00:06Z", "model": "gpt-4o", "input_tokens": 900, "output_tokens": 40}
    line = json.dumps({**own, "message": LINES["record"], "metadata": {"model": "other", "input_tokens": 1}})

    (call,) = rows(line + "\n").to_dicts()

    assert (call["model"], call["request_tokens"], call["format"]) == ("gpt-4o", 900, "app-json")


@pytest.mark.parametrize("name", ["docker", "journald", "gcp text", "winston"])
@pytest.mark.parametrize("kind", LINES)
def test_a_wrapped_line_cut_in_the_middle_is_a_reject_and_harms_no_other(name, kind):
    whole = TEXTS[name](LINES[kind])
    torn = whole[: whole.index("tokens") + len("tokens") + 20]

    found = parse(Block(f"{whole}\n{torn}\n{whole}\n".encode(), sealed=True), FORMATS)

    assert found.calls.height == 2
    assert found.rejects.select("source_offset", "source_end").rows() == [
        (len(whole.encode()) + 1, len(f"{whole}\n{torn}\n".encode()))
    ]


def test_an_envelope_without_its_text_is_passed_over():
    lines = [as_json(stream="stdout", time=TIME), as_json(log=None, stream="stdout", time=TIME), in_docker("")]

    found = parse(Block("".join(f"{line}\n" for line in lines).encode(), sealed=True), FORMATS)

    assert (found.calls.height, found.rejects.height) == (0, 0)


def test_lines_that_nobody_reads_are_left_out_and_change_nothing():
    plain = "[2026-08-10T08:00:01.000Z] [coder-001] INFO: something ordinary\n" * 400 + LINES["text"] + "\n"
    wrapped = "".join(in_docker(line) + "\n" for line in plain.splitlines())

    assert bare(rows(wrapped)) == bare(rows(plain))


def test_an_explanation_names_the_envelope_and_the_fields_inside():
    found = explain(in_docker(LINES["record"]), FORMATS)

    assert found.format == "app-json+docker"
    assert "request_tokens" in {f.path: f.columns for f in found.fields}["input_tokens"]


def test_each_envelope_is_named_once_for_all_its_shapes():
    assert all(envelope.name == envelope.name.lower() and "+" not in envelope.name for envelope in ENVELOPES)
