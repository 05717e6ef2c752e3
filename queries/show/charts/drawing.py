"""An answer → its chart, drawn as its plan says."""

from datetime import datetime
from typing import Any

import polars as pl

from parsers.values.messages import visible
from queries.answers.reports import Answer
from queries.errors import QueryError
from queries.show.cells import cell
from queries.show.charts.plan import Plan, read

INSTALL = "pictures need Altair: pip install 'llm-ingest[charts]'"


def chart(answer: Answer) -> Any:
    """Return *answer* as an Altair chart, which a notebook shows and a script may change.

        >>> import queries
        >>> queries.chart(queries.run(queries.connect("warehouse"), "cost-by-model")).title.text
        'What each model cost'

    An answer without rows is a picture that says so.

    Raises:
        QueryError: The report isn't one that can be drawn, or Altair isn't installed (extra `charts`).
    """
    plan = read(answer)
    try:
        from queries.show.charts.kinds import draw, nothing
    except ImportError as error:
        raise QueryError(INSTALL) from error
    frame, heading = drawable(answer, plan), visible(answer.title)
    if frame.is_empty():
        return nothing(heading, _subtitle(answer, plan))
    return draw(frame, plan, heading=heading, subtitle=_subtitle(answer, plan))


def drawable(answer: Answer, plan: Plan) -> pl.DataFrame:
    """Return the rows that have what is to be drawn."""
    known = [pl.col(name).is_not_null() for name in plan.columns["x"]]
    if plan.kind == "bar":
        known = [pl.any_horizontal(known)]  # of several measures side by side, some may be unknown
    elif plan.kind != "span":
        known += [pl.col(plan.columns["y"][0]).is_not_null()]
    return answer.frame.filter(*known)


def _subtitle(answer: Answer, plan: Plan) -> str:
    """Return which calls were asked about, and what all rows are about."""
    given = {
        name: value for name, value in answer.parameters.items() if value is not None and name not in {"file", "tz"}
    }
    about = [_said(name, value) for name in plan.columns.get("about", []) for value in answer.frame[name].head(1)]
    texts = (", ".join(map(str, value)) if isinstance(value, list) else str(value) for value in given.values())
    asked = (f"{name} {text}" for name, text in zip(given, texts, strict=True))
    return visible(" · ".join([*about, *asked]))


def _said(name: str, value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else cell(name, value)
