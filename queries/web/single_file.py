"""The page as one file: its program, its style and every answer that it may show, inside. Nothing is fetched, ever."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
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

_FULLEST = 40
"""Of so many minutes, the calls are in the file."""

_LARGEST = 2_000_000
"""Bytes of an answer that is still put into the file."""

_PROGRAM = ("charts.js", "page.js")
_REPORTS = "api/reports/"

Answers = dict[str, Any]  # what the page is told at an address: JSON


def as_html(
    warehouse: str, filters: Mapping[str, Any], more: Mapping[str, Callable[[], bytes]], *, timeout: float
) -> bytes:
    """Return the page of the calls of *warehouse* that the *filters* leave; each question has so many seconds.

    *more* are answers that come from no report, by name. A question that can't be answered is a panel that says why.
    """
    given = {name: (value,) if isinstance(value, str) else tuple(value) for name, value in filters.items() if value}
    place = Place(warehouse)
    asked = Question("", tuple(sorted(given.items())))
    with questions.opened(asked, warehouse) as connection, within(connection, timeout):
        plan = panels.plan(connection, asked, warehouse)
    answers: Answers = {f"api/{name}": {"json": json.loads(answer())} for name, answer in more.items()}
    by_calls: dict[Any, dict[str, Question]] = {}
    for address, question in _asked(plan):
        by_calls.setdefault(question.filters, {})[address] = question
    for about in by_calls.values():
        with questions.opened(next(iter(about.values())), warehouse) as connection:
            for address, question in about.items():
                answers[address] = _answer(connection, question, place, timeout)
    rows = answers[plan["series"]].get("json", {}).get("rows", [])
    with questions.opened(asked, warehouse) as connection:
        for row in _fullest(rows):
            parameters = {"minute": row["minute"]} | ({"model": row["model"]} if row["model"] is not None else {})
            burst = asked.about("burst", rows=panels.MOST_CALLS, **parameters)
            # Called by what a click knows.
            key = f"{'null' if row['model'] is None else row['model']}\n{row['minute']}"
            answers[key] = _answer(connection, burst, place, timeout)
    return _page({"plan": plan, "answers": answers, "about": _about(given, plan)})


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


def _fullest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the minutes with the most tokens, the fullest one of each model among them."""
    known = [row for row in rows if row["total_tokens"] is not None]
    known.sort(key=lambda row: -row["total_tokens"])
    peaks = {row["model"]: row for row in reversed(known)}
    return list({(row["model"], row["minute"]): row for row in [*peaks.values(), *known[:_FULLEST]]}.values())


def _about(given: Mapping[str, tuple[str, ...]], plan: Mapping[str, Any]) -> str:
    now = datetime.now(ZoneInfo(plan["zone"]))
    narrowed = ", ".join(f"{name} {' or '.join(values)}" for name, values in given.items() if name != "tz")
    which = f"the calls with {narrowed}" if narrowed else "all calls"
    return (
        f"Written {now:%Y-%m-%d %H:%M} ({plan['zone']}): {which}. Other filters: `ingest page`, or live `ingest serve`."
    )


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
