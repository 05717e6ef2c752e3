"""A report → SQL to paste into any DuckDB that has an export open, with its parameters as literals."""

import shlex
from collections.abc import Mapping

import duckdb

from queries.answers.reports import Report

_OURS = ("from replays", "provider_export")
"""What only exists while a report runs; see `queries.reports.run`."""


def as_sql(report: Report, given: Mapping[str, object], filters: Mapping[str, object], *, warehouse: str) -> str:
    """Return *report* as statements for the DuckDB shell, headed by the command that exports what they need."""
    lines = [f"-- In the shell: {_export(filters, warehouse)} && duckdb calls.duckdb"]
    if any(name in report.sql for name in _OURS):
        lines.append(f"-- It won't run there: it uses a part of `ingest report {report.name}` that is not SQL.")
    if zone := filters.get("tz"):
        lines.append(f"set timezone = {_literal(zone)};")
    statement = report.sql.strip().removesuffix(";")
    bound = report.bind(given)
    if not bound:
        return "\n".join([*lines, f"{statement};", ""])
    # DuckDB itself takes the values and quotes them: text is never put into a statement.
    values = ", ".join(f"{duckdb.ColumnExpression(name)} := {_literal(value)}" for name, value in bound.items())
    return "\n".join([*lines, "prepare report as", f"{statement};", f"execute report({values});", ""])


def _literal(value: object) -> str:
    return str(duckdb.ConstantExpression(value))


def _export(filters: Mapping[str, object], warehouse: str) -> str:
    words = ["ingest", "export", "calls.duckdb", "--warehouse", warehouse]
    for name, value in filters.items():
        for one in value if isinstance(value, tuple | list) else [value] if value else []:
            words += [f"--{name}", str(one)]
    return shlex.join(words)
