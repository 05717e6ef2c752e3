"""JSON objects that don't stand on one line each: over several lines, several on a line, or behind separators."""

import json

import polars as pl
import pytest

from parsers import FORMATS, Block, parse
from parsers.blocks.lines import SHORT
from parsers.claims.many_sources import Source, parse_many


def response(number):
    usage = {"prompt_tokens": number, "completion_tokens": 40, "total_tokens": number + 40}
    about = {"id": f"chatcmpl-{number:026}", "object": "chat.completion", "created": 1772623218, "model": "gpt-4o"}
    return {**about, "choices": [{"message": {"content": 'a "}{" and\n}\n{ in text'}}], "usage": usage}


ONE, TWO, THREE = map(response, (901, 902, 903))
PRETTY = [json.dumps(one, indent=2) + "\n" for one in (ONE, TWO, THREE)]
PLAIN = [json.dumps(one) + "\n" for one in (ONE, TWO, THREE)]
SHAPES = {
    "pretty": "".join(PRETTY),
    "pretty, tabs, blank lines": "\n".join(json.dumps(one, indent="\t") + "\n" for one in (ONE, TWO, THREE)),
    "pretty, CRLF": "".join(PRETTY).replace("\n", "\r\n"),
    "pretty, commas": "".join(one.rstrip() + ",\n" for one in PRETTY),
    "pretty among others": f"starting {{\n{PRETTY[0]}a line\n  an indented one\n{PLAIN[1]}{PRETTY[2]}}}\n",
    "pretty behind text": "".join(f"2026-03-04T11:20:18Z INFO client: response {one}" for one in PRETTY),
    "one behind the other": "".join(one.strip() for one in PLAIN) + "\n",
    "one behind the other, blanks": " ".join(one.strip() for one in PLAIN) + "\n",
    "a text sequence": "".join(f"\x1e{one}" for one in PLAIN),
}


def counted(rows):
    return rows["request_tokens"].to_list()


@pytest.mark.parametrize("name", SHAPES)
def test_each_object_is_a_record_wherever_it_stands(name):
    data = SHAPES[name].encode()
    rows = parse(Block(data, sealed=True), FORMATS)

    assert counted(rows.calls) == [901, 902, 903]
    assert rows.rejects.is_empty()
    assert rows.calls["source_offset"].is_sorted()
    (among_others,) = parse_many([Source(data)], FORMATS)
    assert among_others is None or counted(among_others.calls) == [901, 902, 903]


@pytest.mark.parametrize("other", ["a line é of text", "a line \udcff that is no UTF-8"])
@pytest.mark.parametrize("name", SHAPES)
def test_so_it_is_among_thousands_of_lines(name, other):
    others = f"{other}\n" * SHORT
    data = f"{others}{SHAPES[name]}{others}".encode(errors="surrogateescape")

    assert counted(parse(Block(data, sealed=True), FORMATS).calls) == [901, 902, 903]


@pytest.mark.parametrize("name", SHAPES)
def test_a_source_may_be_cut_at_any_line(name):
    data = SHAPES[name].encode()
    whole = parse(Block(data, sealed=True), FORMATS).calls
    for cut in [0, *(i + 1 for i, byte in enumerate(data) if byte == ord("\n"))]:
        first = parse(Block(data[:cut]), FORMATS)
        rest = parse(Block(data[first.end :], first.end, sealed=True), FORMATS, first.contexts)
        assert pl.concat([first.calls, rest.calls]).equals(whole), cut


def test_places_are_those_of_the_objects():
    data = SHAPES["one behind the other, blanks"].encode()
    calls = parse(Block(data, sealed=True), FORMATS).calls
    begins = [data.index(f'"chatcmpl-{n:026}"'.encode()) - len('{"id": ') for n in (901, 902, 903)]
    assert calls["source_offset"].to_list() == begins


@pytest.mark.parametrize(
    "text",
    [
        "{\n  never closed\n  " + "\n  ".join(map(str, range(50))) + "\nlog goes on\n",
        "function f() {\n  return {\n    a: 1\n  }\n}\n",
        "}\n{\n}\n",
        "{\n",
    ],
)
def test_what_is_no_object_holds_nothing_up_and_changes_nothing(text):
    data = (text + PLAIN[0]).encode()
    rows = parse(Block(data, sealed=False), FORMATS)
    assert counted(rows.calls) == [901]
    assert rows.end == len(data)


def test_an_object_of_which_the_end_is_to_come_is_waited_for():
    half = PRETTY[1][: len(PRETTY[1]) // 2]
    data = (PLAIN[0] + half[: half.rindex("\n") + 1]).encode()
    rows = parse(Block(data), FORMATS)
    assert counted(rows.calls) == [901]
    assert rows.end == len(PLAIN[0])


def test_objects_of_two_sources_are_not_made_one():
    open_, closes = b'{\n  "id": "chatcmpl-1",\n', b"  1\n}\n" + PLAIN[0].encode()
    for rows, source in zip(parse_many([Source(open_), Source(closes)], FORMATS), (open_, closes), strict=True):
        assert rows is None or counted(rows.calls) == counted(parse(Block(source, sealed=True), FORMATS).calls)
