"""An answer → bytes of a picture: HTML with all its JavaScript inside, SVG, PNG. Nothing is fetched, now or later."""

import json
from html import escape
from importlib.resources import files as resources
from string import Template
from types import ModuleType
from typing import Any

from parsers.values.messages import visible
from queries.answers.reports import Answer
from queries.errors import QueryError
from queries.show.charts.drawing import INSTALL, chart, drawable
from queries.show.charts.plan import read

_SHARPNESS = 2


def as_html(answer: Answer) -> bytes:
    """Return a page that needs no network."""
    drawn = _specification(answer)
    page = Template((resources("queries.show.charts") / "page.html").read_text(encoding="utf-8"))
    # vl_convert has a page of its own, which lets a model called `</script>` out of the data and into the page.
    data = json.dumps(drawn, ensure_ascii=False).replace("<", "\\u003c")
    program = _converter().javascript_bundle(vl_version=_version(drawn))
    return page.substitute(title=escape(visible(answer.title)), program=program, chart=data).encode()


def as_svg(answer: Answer) -> bytes:
    """Return an SVG."""
    drawn = _specification(answer)
    return str(_converter().vegalite_to_svg(drawn, vl_version=_version(drawn))).encode()


def as_png(answer: Answer) -> bytes:
    """Return a PNG, sharp on a screen with twice the pixels."""
    drawn = _specification(answer)
    return bytes(_converter().vegalite_to_png(drawn, vl_version=_version(drawn), scale=_SHARPNESS))


def _specification(answer: Answer) -> dict[str, Any]:
    _converter()
    if drawable(answer, read(answer)).is_empty():
        raise QueryError(f"nothing to draw: {answer.name} gave no rows")
    return dict(chart(answer).to_dict())


def _version(drawn: dict[str, Any]) -> str:
    """Return the Vega-Lite that Altair wrote *drawn* for: of `…/v6.1.0.json`, 6.1."""
    return ".".join(drawn["$schema"].rsplit("/v", 1)[-1].split(".")[:2])


def _converter() -> ModuleType:
    try:
        import vl_convert
    except ImportError as error:
        raise QueryError(INSTALL) from error
    return vl_convert
