"""The page as one file: its program, its style and every answer that it may show, inside. Nothing is fetched, ever."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.resources import files as resources
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import duckdb

from queries.answers import reports as saved
from queries.connection.connect import within
from queries.errors import QueryError
from queries.show import texts
from queries.web import panels
from queries.web import question as questions
from queries.web.question import Place, Question

_FULLEST, _FULLEST_OF_SLICE = 40, 5
"""Of so many minutes, the calls are in the file; and of the calls of one value that a reader may choose."""

_LARGEST = 2_000_000
"""Bytes of an answer that is still put into the file."""

_MOST_SLICES = 8
"""Of so many values of a filter, the file has every answer."""

_PROGRAM = ("charts.js", "page.js")
_REPORTS = "api/reports/"

Answers = dict[str, Any]  # what the page is told at an address: JSON


def as_html(
    place: Place,
    filters: Mapping[str, Any],
    more: Mapping[str, Callable[[], bytes]],
    *,
    by: Sequence[str] = (),
    timeout: float,
) -> bytes:
    """Return the page of the calls of *place* that the *filters* leave; each question has so many seconds.

    *more* are answers that come from no report, by name; *by* are filters that a reader may set, to one of their
    dearest values at a time. A question that can't be answered is a panel that says why.
    """
    given = {name: (value,) if isinstance(value, str) else tuple(value) for name, value in filters.items() if value}
    asked = Question("", tuple(sorted(given.items())))
    answers: Answers = {f"api/{name}": {"json": json.loads(answer())} for name, answer in more.items()}
    plans = {"": _plan(asked, place, "", answers, timeout)}
    slices = {name: _dearest(asked, name, place) for name in by if name not in given}
    for name, values in slices.items():
        for value in values:
            narrowed = replace(asked, filters=tuple(sorted({**given, name: (value,)}.items())))
            plans[f"{name}\n{value}"] = _plan(narrowed, place, f"{name}\n{value}", answers, timeout)
    return _page({"plans": plans, "slices": slices, "answers": answers, "about": _about(given, slices, plans[""])})


def _plan(asked: Question, place: Place, name: str, answers: Answers, timeout: float) -> panels.Plan:
    """Return the plan of the page of what *asked* is about, called *name*, and add to *answers* what it asks."""
    by_calls: dict[Any, dict[str, Question]] = {}
    with questions.opened(asked, place) as connection:
        with within(connection, timeout):
            plan = panels.plan(connection, asked, place.warehouse)
        for address, question in _asked(plan):
            by_calls.setdefault(question.filters, {})[address] = question
        for address, question in by_calls.pop(asked.filters, {}).items():
            answers[address] = _answer(connection, question, place, timeout)
        rows = answers[plan["series"]].get("json", {}).get("rows", [])
        for row in _fullest(rows, _FULLEST if not name else _FULLEST_OF_SLICE):
            parameters = {"minute": row["minute"]} | ({"model": row["model"]} if row["model"] is not None else {})
            burst = asked.about("burst", rows=panels.MOST_CALLS, **parameters)
            # Called by what a click knows.
            model = "null" if row["model"] is None else row["model"]
            answers[f"{name}\n{model}\n{row['minute']}"] = _answer(connection, burst, place, timeout)
    for about in by_calls.values():
        with questions.opened(next(iter(about.values())), place) as connection:
            for address, question in about.items():
                answers[address] = _answer(connection, question, place, timeout)
    return plan


def _dearest(asked: Question, name: str, place: Place) -> list[str]:
    """Return the values of the filter *name* that cost most."""
    with questions.opened(asked, place) as connection:
        keys = saved.run(connection, "cost-by", by=name).frame["key"]
    return keys.drop_nulls().head(_MOST_SLICES).to_list()


def _asked(plan: Any) -> Iterator[tuple[str, Question]]:
    """Yield the addresses in *plan*, each once, and the question of each."""
    # `burst` is of a minute that a reader chooses, and the values are those of filters that a file can't change.
    shown = {name: part for name, part in plan.items() if name not in {"burst", "values"}}
    for address in dict.fromkeys(_addresses(shown)):
        report, _, query = address.removeprefix(_REPORTS).partition("?")
        yield address, questions.read(report, parse_qsl(query))


def _addresses(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield from [part] * part.startswith(_REPORTS)
    elif isinstance(part, Mapping | list):
        for inner in part.values() if isinstance(part, Mapping) else part:
            yield from _addresses(inner)


def _answer(connection: duckdb.DuckDBPyConnection, question: Question, place: Place, timeout: float) -> Answers:
    """Return what the page shows of *question*: the rows, the same as CSV, and the SQL."""
    report = saved.load(question.report)
    try:
        with within(connection, timeout):
            answer = questions.cut(questions.answered(connection, question, report, place), question.rows)
    except QueryError as error:
        return {"error": str(error)}
    text = texts.as_json(answer)
    if len(text) > _LARGEST:
        return {"error": "too much for a file: `ingest serve` shows it"}
    sql = questions.as_sql(question, report, place).decode()
    return {"json": json.loads(text), "csv": texts.as_csv(answer), "sql": sql}


def _fullest(rows: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Return the *most* minutes with the most tokens, and the fullest one of each model."""
    known = [row for row in rows if row["total_tokens"] is not None]
    known.sort(key=lambda row: -row["total_tokens"])
    peaks = {row["model"]: row for row in reversed(known)}
    return list({(row["model"], row["minute"]): row for row in [*peaks.values(), *known[:most]]}.values())


def _about(given: Mapping[str, tuple[str, ...]], slices: Mapping[str, list[str]], plan: panels.Plan) -> str:
    now = datetime.now(ZoneInfo(plan["zone"]))
    narrowed = ", ".join(f"{name} {' or '.join(values)}" for name, values in given.items() if name != "tz")
    which = f"the calls with {narrowed}" if narrowed else "all calls"
    chosen = f" It can be filtered by one {' or '.join(slices)} at a time." if slices else ""
    return f"Written {now:%Y-%m-%d %H:%M} ({plan['zone']}): {which}.{chosen} `ingest serve` answers anything else."


def _page(content: Answers) -> bytes:
    """Return the page with *content* in it, and a policy that lets nothing else run."""
    assets = resources("queries.web") / "assets"
    program = "\n".join((assets / name).read_text(encoding="utf-8") for name in _PROGRAM)
    style = (assets / "page.css").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src {_hash(program)}; style-src {_hash(style)}; img-src data:; base-uri 'none'"
    )
    # A name in the data that says </script> ends nothing.
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    meta = '<meta charset="utf-8">'
    inside = {
        meta: f'{meta}\n<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<link rel="stylesheet" href="page.css">': f"<style>{style}</style>",
        **dict.fromkeys((f'<script src="{name}" defer></script>\n' for name in _PROGRAM), ""),
        "</body>": f'<script type="application/json" id="answers">{data}</script>\n<script>{program}</script>\n</body>',
    }
    page = (assets / "page.html").read_text(encoding="utf-8")
    for outside, replacement in inside.items():
        page = page.replace(outside, replacement, 1)
    return page.encode()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
