"""Fields that a format doesn't know are kept, told by columns where lines are many, by Python where they are few."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.jsonl.unknown_columns import at_once, count_keys
from parsers.jsonl.unknown_fields import leftovers

KNOWN = pl.Struct({"model": pl.String, "used": pl.Int64, "usage": pl.Struct({"input_tokens": pl.Int64})})
NAMES = st.sampled_from(
    (
        *(
            "extra",
            "tags",
            "n",
            "prompt",
            "a.b",
            "meta",
            "usage",
            "model",
            "é",
            "key s",
            "message",
            "team",
            "full_prompt",
        ),
        *("message_id", "access_token", "what is my salary this year?"),
    )
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(("{}", '{"n":1}', '{"prompt":"no","n":2}', "[1]", "x" * 600, 'say "n": 1', " {", '{"n":1.0}'))
    | st.sampled_from(
        ("a b", "two words " * 9, "sk-0123456789abcdef", "postgres://u:p@h/d", "2026-02-03 14:00:00", "12.5")
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda v: (
        st.dictionaries(NAMES, v, max_size=3) | st.lists(v, max_size=2) | st.lists(st.text(max_size=3), max_size=3)
    ),
    max_leaves=6,
)


def records(lines):
    decoded = pl.Series(lines).str.json_decode(KNOWN)
    return pl.DataFrame({"line": pl.Series(lines, dtype=pl.String), "record": decoded})


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=4), min_size=1, max_size=8), st.booleans())
def test_many_lines_say_what_each_says_alone(objects, spaced):
    separators = (", ", ": ") if spaced else (",", ":")
    known = [{k: v for k, v in o.items() if k not in ("usage", "model")} | {"model": "m", "used": 3} for o in objects]
    lines = [json.dumps(o, separators=separators, ensure_ascii=False) for o in known]

    many = leftovers(records(lines * 80))

    assert many.to_list() == [leftovers(records([line]))[0] for line in lines] * 80


@pytest.mark.parametrize(
    ("unknown", "kept"),
    [
        ({"region": "eu", "n": 7, "cold": True}, {"cold": True, "n": 7, "region": "eu"}),
        ({"meta": {"task": "lint", "prompt": "never", "n": 0.25}}, {"meta": {"n": 0.25, "task": "lint"}}),
        ({"tags": ["a", "b c"], "messages": ["never"], "none": []}, {"tags": ["a", "b c"]}),
        ({"prompt": "never"}, None),
        (
            {"prompt": "12", "message_id": "m-1", "history": {"len": 3, "id": "h"}},
            {"history": {"len": 3}, "message_id": "m-1", "prompt": "12"},
        ),
        ({"team": "The Payments Team", "note": "two words"}, {"team": "The Payments Team"}),
        ({"tags": {"any": "two words"}, "unit": {"any": "two words"}}, {"tags": {"any": "two words"}}),
        ({"x": "sk-0123456789abcdef", "y": ["Bearer abcdefgh", "fine"]}, {"y": ["fine"]}),
        ({"note": "x" * 513}, None),
        ({"raw": '{"messages":"never","n":2}'}, {"raw": {"n": 2}}),
        ({"usage": {"input_tokens": 4, "tier": "std"}}, {"usage.tier": "std"}),
    ],
)
def test_plain_fields_are_told_by_columns(unknown, kept):
    lines = [json.dumps({"model": "m", "used": i, **unknown}) for i in range(1, 200)]
    frame = records(lines)
    present = pl.Series([3 if "usage" in unknown else 2]).new_from_index(0, len(lines))
    if "usage" in unknown:
        present += 1

    texts, told = at_once(frame["line"], KNOWN, count_keys(frame["line"]) - present)

    assert told.all()
    assert {text and json.dumps(json.loads(text)) for text in texts} == {kept and json.dumps(kept)}
