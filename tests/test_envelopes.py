"""Lines in the envelopes of collectors, runtimes and terminals: their rows are those of the bare lines."""

import json
from itertools import pairwise

import polars as pl
import pytest

from parsers import FORMATS, Block, parse, recover
from parsers.claims.documents import parse_document
from parsers.envelopes.known_envelopes import ENVELOPES
from parsers.explain.explain import explain
from parsers.mapping.mapping import format_of
from parsers.mapping.toml import mapping_of

TIME = "2026-08-10T08:01:00.123456789Z"
MILLIS = 1786348860123
CLAUDE = {"input_tokens": 50, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 10}
LINES = {
    "text": (
        "[2026-08-10T08:00:05.777Z] [coder-001] INFO: LLM call to model 'claude-sonnet-4-6': latency 2.5s, "
        "request tokens: 1200, response tokens: 300, reasoning tokens: 100, total tokens: 1600, cost $0.009600 "
        "(agent: coder-001, story: 9ae50aa4, state: CODING)"
    ),
    "record": json.dumps(
        {"time": "2026-08-10T08:00:06.250Z", "msg": "llm call", "model": "gpt-4o", "input_tokens": 900}
        | {"output_tokens": 40, "duration_ms": 1200, "cost_usd": 0.0031, "user_id": "u7"}
    ),
    "response": json.dumps(
        {"id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUv", "object": "chat.completion", "created": 1786348807}
        | {"model": "gpt-4o-2024-08-06", "choices": [{"message": {"content": 'a "quoted" \\ text'}}]}
        | {"usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}}
    ),
}
TIMELESS = json.dumps(
    {"id": "msg_01AbCdEfGhIjKlMnOpQrStUv", "type": "message", "role": "assistant", "model": "claude-sonnet-4-20250514"}
    | {"content": [], "stop_reason": "end_turn", "usage": CLAUDE}
)


def _json(**fields):
    return json.dumps({name.replace("__at_", "@"): value for name, value in fields.items()})


def _docker(line, stream="stdout", **more):
    return _json(log=line + "\n", stream=stream, **more, time=TIME)


KUBERNETES = {"pod_name": "app-0", "namespace_name": "prod", "container_name": "app", "host": "node-a"}
RESOURCE = {"type": "k8s_container", "labels": {"pod_name": "app-0"}}
TEXTS = {
    "docker": _docker,
    "docker with labels": lambda line: _docker(line, attrs={"tag": "app", "com.docker.compose.service": "api"}),
    "docker, keys sorted": lambda line: json.dumps(json.loads(_docker(line)), sort_keys=True),
    "fluent-bit": lambda line: _json(date=1786348860.5, log=line, stream="stdout", kubernetes=KUBERNETES),
    "fluent-bit, time as text": lambda line: _json(date=TIME, log=line, kubernetes=KUBERNETES),
    "fluentd": lambda line: _json(container_id="0a1b", container_name="/app", source="stdout", log=line),
    "fluentd file": lambda line: f"2026-08-10T08:01:00+00:00\tapp.log\t{_json(message=line)}",
    "journald": lambda line: _json(__REALTIME_TIMESTAMP=f"{MILLIS}000", _HOSTNAME="node-a", MESSAGE=line),
    "journald bytes": lambda line: _json(__REALTIME_TIMESTAMP=f"{MILLIS}000", MESSAGE=list(f"{line}\r".encode())),
    "filebeat": lambda line: json.dumps(
        {"@timestamp": TIME, "@metadata": {"beat": "filebeat"}, "message": line, "host": {"name": "node-a"}}
    ),
    "elasticsearch hit": lambda line: json.dumps(
        {"_index": "logs", "_id": "1", "_source": {"@timestamp": TIME, "message": line, "agent": {"type": "filebeat"}}}
    ),
    "vector": lambda line: _json(file="/app.log", host="node-a", message=line, source_type="file", timestamp=TIME),
    "cloudwatch event": lambda line: _json(logStreamName="app/1", timestamp=MILLIS, message=line, eventId="1"),
    "cloudwatch insights": lambda line: json.dumps({"@timestamp": "2026-08-10 08:01:00.123", "@message": line}),
    "cloudwatch subscription": lambda line: _json(
        messageType="DATA_MESSAGE",
        owner="1",
        logGroup="g",
        logStream="s",
        logEvents=[{"id": "1", "timestamp": MILLIS, "message": "starting"}, {"id": "2", "message": line}],
    ),
    "cloudwatch tail": lambda line: f"2026-08-10T08:01:00.123000+00:00 app/1/0a1b {line}",
    "cloudwatch csv": lambda line: f'{MILLIS},"' + line.replace('"', '""') + '"',
    "cloudwatch insights csv": lambda line: '2026-08-10 08:01:00.123,"' + line.replace('"', '""') + '"',
    "gcp text": lambda line: _json(insertId="1", resource=RESOURCE, textPayload=line, timestamp=TIME, logName="l"),
    "logcli": lambda line: _json(labels={"app": "a", "host": "node-a"}, line=line, timestamp=TIME),
    "loki push": lambda line: _json(
        streams=[
            {"stream": {"app": "other"}, "values": [[f"{MILLIS}000000", "starting"]]},
            {
                "stream": {"app": "api", "pod": "api-1", "host": "node-a"},
                "values": [[f"{MILLIS}000000", "starting"], [f"{MILLIS}000000", line, {"trace_id": "0a1b"}]],
            },
        ]
    ),
    "loki query": lambda line: _json(
        status="success",
        data={
            "resultType": "streams",
            "result": [{"stream": {"app": "api", "host": "node-a"}, "values": [[f"{MILLIS}000000", line]]}],
            "stats": {"summary": {"bytesProcessedPerSecond": 1}},
        },
    ),
    "datadog": lambda line: _json(
        id="1", content={"message": line, "timestamp": TIME, "host": "node-a", "service": "api", "tags": []}
    ),
    "datadog v2": lambda line: _json(
        id="1", type="log", attributes={"message": line, "timestamp": TIME, "service": "api"}
    ),
    "otel filelog": lambda line: _json(
        resourceLogs=[
            {
                "resource": {},
                "scopeLogs": [{"logRecords": [{"timeUnixNano": f"{MILLIS}000000", "body": {"stringValue": line}}]}],
            }
        ]
    ),
    "gelf": lambda line: _json(version="1.1", host="node-a", short_message=line, timestamp=1786348860.123, level=6),
    "azure container apps": lambda line: _json(
        TimeGenerated=TIME, ContainerName_s="api", Log_s=line, Stream_s="stdout"
    ),
    "azure kubernetes": lambda line: _json(Computer="node-a", PodName="api-1", LogMessage=line, TimeGenerated=TIME),
    "azure diagnostics": lambda line: _json(
        time=TIME, category="ContainerAppConsoleLogs", properties={"Log": line, "Stream": "stdout"}
    ),
    "azure app service": lambda line: _json(
        time=TIME, category="AppServiceConsoleLogs", level="Informational", ResultDescription=line, Host="node-a"
    ),
    "splunk": lambda line: _json(preview=False, result={"_raw": line, "_time": TIME, "host": "node-a"}),
    "heroku json": lambda line: _json(timestamp=TIME, app_name="a", dyno="web.1", message=line),
    "pm2 json": lambda line: _json(message=line + "\n", timestamp=TIME, type="out", process_id=0, app_name="api"),
    "winston": lambda line: _json(level="info", message=line, timestamp=TIME),
    "cri": lambda line: f"{TIME} stdout F {line}",
    "swarm": lambda line: f"api.1.abc@node-a    | {line}",
    "lambda": lambda line: f"{TIME}\t0e9c1d5a-7b1f-4a55-9a3e-5a8f6c1d2e3f\tINFO\t{line}",
    "app runner": lambda line: f"{TIME}\t{line}",
    "syslog 5424": lambda line: f"<14>1 2026-08-10T08:01:00.123Z node-a app 77 - - {line}",
    "syslog 5424 with data": lambda line: f'<14>1 {TIME} node-a app 77 m [x@1 a="b \\] c"][y z="1"] {line}',
    "syslog 3164": lambda line: f"<14>Aug 10 08:01:00 node-a app[77]: {line}",
    "journalctl short": lambda line: f"Aug 10 08:01:00 node-a app[77]: {line}",
    "journalctl short-iso": lambda line: f"2026-08-10T08:01:00+0000 node-a app[77]: {line}",
    "compose": lambda line: f"api-1       | {line}",
    "compose with times": lambda line: f"api-1  | {TIME} {line}",
    "compose coloured": lambda line: f"\x1b[36mapi-1  |\x1b[0m {line}",
    "kubectl": lambda line: f"[pod/app-0/app] {line}",
    "kubectl with times": lambda line: f"[pod/app-0/app] {TIME} {line}",
    "stern": lambda line: f"app-7d9f-x2 app {line}",
    "pm2": lambda line: f"0|app  | {line}",
    "heroku": lambda line: f"2026-08-10T08:01:00.123456+00:00 app[web.1]: {line}",
    "github actions": lambda line: f"2026-08-10T08:01:00.1234567Z {line}",
    "airflow": lambda line: f"[2026-08-10T08:01:00.123+0000] {{logging_mixin.py:150}} INFO - {line}",
    "celery": lambda line: f"[2026-08-10 08:01:00,123: WARNING/ForkPoolWorker-1] {line}",
    "celery task": lambda line: f"[2026-08-10 08:01:00,123: INFO/MainProcess] app.ask[0e9c1d5a-7b1f]: {line}",
    "dapr": lambda line: f"== APP - api == {line}",
    "gitlab": lambda line: f"2026-08-10T08:01:00.123456Z 01O {line}",
    "honcho": lambda line: f"08:01:00 web.1 | {line}",
    "render": lambda line: f"Aug 10 08:01:00 AM [x7k2p] {line}",
    "lambda of python": lambda line: f"[INFO]\t{TIME}\t0e9c1d5a-7b1f-4a55-9a3e-5a8f6c1d2e3f\t{line}",
    "hclog": lambda line: json.dumps({"@level": "info", "@message": line, "@module": "api", "@timestamp": TIME}),
    "azure event hub": lambda line: _json(records=[{"time": TIME, "resourceId": "/S", "resultDescription": line}]),
    "blanks": lambda line: f"    {line}",
    "colours": lambda line: f"\x1b[32m{line}\x1b[0m",
    "cri around docker": lambda line: f"{TIME} stdout F {_docker(line)}",
    "journald around compose": lambda line: _json(__REALTIME_TIMESTAMP=f"{MILLIS}000", MESSAGE=f"api-1 | {line}"),
    "docker around colours": lambda line: _docker(f"\x1b[1m{line}\x1b[0m"),
}
OBJECTS = {
    **{
        name: lambda record, name=name: json.dumps({"timestamp": TIME, "level": "info", "message": "m", name: record})
        for name in ("context", "metadata", "attributes", "payload", "labels", "props", "anything")
    },
    "gcp json": lambda record: _json(insertId="1", jsonPayload=record, resource=RESOURCE, timestamp=TIME),
    "filebeat json": lambda record: json.dumps({"@timestamp": TIME, "json": record, "agent": {"type": "filebeat"}}),
    "loguru": lambda record: _json(
        text="x", record={"elapsed": {"seconds": 1}, "extra": record, "time": {"timestamp": MILLIS / 1000}}
    ),
}
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
    line = _json(date=1786348860.5, log=LINES["text"], secret="s", stream="stdout", kubernetes=KUBERNETES)  # noqa: S106

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
    keys = {rows(line + "\n")["dedupe_key"].item() for line in (LINES["response"], _docker(LINES["response"]))}

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
    return _json(log=text + ("\n" if last else ""), stream=stream, time=TIME)


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
    data = (_docker(LINES["text"]) + "\n").encode() + piece * 1100

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
        return _json(log=log, stream=stream, time=at) + "\n"

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

    for wrap in (_docker, TEXTS["cri"], TEXTS["journald"], TEXTS["compose"]):
        wrapped = "".join(wrap(line) + "\n" for line in (failure + after).splitlines())
        assert bare(rows(wrapped)) == bare(rows(failure + after))


def test_what_lines_before_say_is_known_in_an_envelope_too():
    session = "[2026-08-10T08:00:00.000Z] [config] INFO: Session ID: 1786348800"
    before = Block((_docker(session) + "\n").encode())

    contexts = recover(before, FORMATS)
    call = parse(Block((_docker(LINES["text"]) + "\n").encode(), 100), FORMATS, contexts).calls

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
    lines = [_json(stream="stdout", time=TIME), _json(log=None, stream="stdout", time=TIME), _docker("")]

    found = parse(Block("".join(f"{line}\n" for line in lines).encode(), sealed=True), FORMATS)

    assert (found.calls.height, found.rejects.height) == (0, 0)


def test_lines_that_nobody_reads_are_left_out_and_change_nothing():
    plain = "[2026-08-10T08:00:01.000Z] [coder-001] INFO: something ordinary\n" * 400 + LINES["text"] + "\n"
    wrapped = "".join(_docker(line) + "\n" for line in plain.splitlines())

    assert bare(rows(wrapped)) == bare(rows(plain))


def test_an_explanation_names_the_envelope_and_the_fields_inside():
    found = explain(_docker(LINES["record"]), FORMATS)

    assert found.format == "app-json+docker"
    assert "request_tokens" in {f.path: f.columns for f in found.fields}["input_tokens"]


def test_each_envelope_is_named_once_for_all_its_shapes():
    assert all(envelope.name == envelope.name.lower() and "+" not in envelope.name for envelope in ENVELOPES)
