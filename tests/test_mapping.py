"""A mapping file reads a log without code, and tells its author what is wrong in it."""

import json
from pathlib import Path

import pytest

from ingest.choices import mapping_in
from ingest.errors import IngestError
from parsers.blocks.lines import Block
from parsers.claims.parse import parse
from parsers.mapping.mapping import format_of, unmatched

MAPPINGS = Path(__file__).parent.parent / "fixtures" / "mappings"
GOOD = '[lines]\ncontains = "x"\n\n[columns]\nmodel = "m"\nrequest_tokens = "in"\n'


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.toml")), ids=lambda path: path.stem)
def test_example_gives_the_rows_beside_it(path, request):
    rows = parse(Block(path.with_suffix(".log").read_bytes(), sealed=True), [format_of(mapping_in(path))])
    expected = path.with_suffix(".rows.json")
    calls = json.loads(rows.calls.write_json())
    found = {
        "calls": [{name: value for name, value in call.items() if value is not None} for call in calls],
        "rejects": rows.rejects["reason"].to_list(),
    }
    if request.config.getoption("--golden"):
        expected.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert found == json.loads(expected.read_text())


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('[lines]\ncontains = "x"\nmatch = "y"\n', 3, "use `matches`"),
        (GOOD.replace("request_tokens", "requesttokens"), 6, "use `request_tokens`"),
        (GOOD.replace('model = "m"\n', ""), 4, "no column for model"),
        (GOOD.replace('"in"', '"a..b"'), 6, "not a path"),
        (GOOD + '[units]\nlatency = "minutes"\n', 8, "use s, ms, us, ns"),
        (GOOD + '[units]\nzone = "Mars/Base"\n', 8, "unknown zone"),
        (GOOD + '[tokens]\nrequest_includes_cache = "no"\n', 8, "true or false"),
        (GOOD.replace('contains = "x"', "pattern = '(?P<m>'"), 2, "not a regex"),
        (GOOD.replace('contains = "x"', "pattern = '(?P<m>.)'"), 6, "no group `in`"),
        (GOOD.replace('[lines]\ncontains = "x"\n', ""), 1, "nothing says which lines"),
        ("[lines\n", None, "line 1"),
    ],
)
def test_mistake_names_its_line_and_the_remedy(tmp_path, text, where, what):
    file = tmp_path / "own.toml"
    file.write_text(text)

    with pytest.raises(IngestError) as caught:
        mapping_in(file)

    assert what in str(caught.value)
    assert where is None or f"own.toml:{where}: " in str(caught.value)


def test_line_that_is_not_taken_is_explained_without_control_characters():
    message = unmatched(mapping_in(MAPPINGS / "mattermost.toml"), '{"msg":"Other\x1b[31m"}')

    assert 'its `msg` is not "Token Usage"' in message
    assert "\x1b" not in message
