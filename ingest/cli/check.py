"""`ingest check`: the rules of `alerts.toml`, once; and beside a follower again after each commit."""

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ingest.cli import settings
from ingest.cli.options import form_option, only_a_folder, say, wants_json, warehouse_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.alerting.crossings import Point
    from ingest.alerting.rules import Rule

CROSSED = 3


@click.command()
@warehouse_option
@click.option("--explain", is_flag=True, help="Show what each rule asks and sees now; write and send nothing.")
@click.option("--stay", is_flag=True, hidden=True, help="Check again for each byte on stdin, until it ends.")
@form_option
@click.pass_context
def check(ctx: click.Context, /, *, warehouse: str, explain: bool, stay: bool, form: str | None) -> None:
    """Ask the rules of alerts.toml in the warehouse, and tell what crossed them.

    Exit code 3 when a rule is crossed, 0 when none is. Each crossing is a row of the table `alerts`, and is told once:
    on stderr, and by the command and the webhook of its rule. `ingest follow` checks after each commit by itself.

    \b
      ingest check                 in cron, or in CI
      ingest check --explain       what each rule sees now
      ingest sql "from alerts"     what has crossed so far
    """
    from ingest import checks
    from ingest.alerting.rules import FILE, read

    only_a_folder(warehouse, "check")
    folder = Path(warehouse)
    if stay:
        _stay(folder)
        return
    if explain:
        rules = read(folder / FILE)
        seen = [checks.explain(folder, rule, limits=settings.limits()) for rule in rules]
        _explain(list(zip(rules, seen, strict=True)), as_json=wants_json(form))
        ctx.exit(int(any(wrong for _, wrong in seen)))
    found = checks.check(folder, limits=settings.limits(), say=_alarm)
    for text in found.wrong:
        click.echo(f"Warning: {text}", err=True)
    if found.waiting:
        click.echo(f"Warning: {found.waiting:,} messages are not sent yet; the next check tries again", err=True)
    if wants_json(form):
        new = [{"id": each.id, "rule": each.rule.name, "key": each.point.key} for each in found.new]
        click.echo(json.dumps({"new": new, "open": found.still_open, "wrong": list(found.wrong)}, ensure_ascii=False))
    else:
        say(f"{len(found.new):,} new, {found.still_open:,} open")
    ctx.exit(CROSSED if found.crossed else int(bool(found.wrong)))


def _alarm(line: str) -> None:
    """Say an alert, also under --quiet: it is a warning."""
    logging.getLogger("ingest").warning("%s", line)


def _stay(folder: Path) -> None:
    from ingest import checks

    if sys.stderr.isatty():  # the follower's live line is there, and comes back
        for handler in logging.getLogger().handlers:
            handler.setFormatter(logging.Formatter("\r\x1b[K%(asctime)s %(message)s", "%H:%M:%S"))
    checks.stay(folder, sys.stdin.fileno(), limits=settings.limits(), say=_alarm)


def _explain(seen: "Sequence[tuple[Rule, tuple[Sequence[Point], str | None]]]", *, as_json: bool) -> None:
    """Print of each rule what it asks, when it crosses, and what it sees now."""
    rows = [_row(rule, points, wrong) for rule, (points, wrong) in seen]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        click.echo(f"{row['rule']}: {row['asks']}")
        click.echo(f"  crosses {row['crosses']}")
        click.echo(f"  {row['wrong'] or row['sees']}")


def _row(rule: "Rule", points: "Sequence[Point]", wrong: str | None) -> dict[str, str | None]:
    asks = f"report {rule.report}" if rule.report else "SQL"
    asks += "".join(f" -p {name}={value}" for name, value in rule.parameters.items())
    asks += "".join(f" --{name} {value}" for name, values in rule.filters.items() for value in values)
    asks += f" --since {rule.window}" if rule.window else ""
    side = "at or above" if rule.sign > 0 else "at or below"
    level = "" if rule.clear is None else f", and is over beyond {rule.clear:g}"
    crosses = f"where {rule.value} is {side} {rule.threshold:g}{level}" if rule.value else "with each row"
    if rule.key:
        crosses += f", once for each {', '.join(rule.key)}"
    known = [point for point in points if point.value is not None]
    worst = max(known, key=lambda point: (point.value or 0) * rule.sign, default=None)
    sees = f"sees {len(points):,} row{'s' * (len(points) != 1)}"
    if worst:
        sees += f", the worst {worst.value:g}" + (f" ({worst.key})" if worst.key else "")
    return {"rule": rule.name, "asks": asks, "crosses": crosses, "sees": None if wrong else sees, "wrong": wrong}
