"""How a crossing is told: a line on stderr, a command, a webhook; again, ever later, until each of them took it."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from ingest.alerting.book import Alert
from ingest.alerting.rules import Rule
from ingest.errors import IngestError, reason

SECONDS = 10.0
"""How long a command or a server may take."""

LONGEST_PAUSE = 300.0

VARIABLE = "INGEST_ALERT"
"""The variable that a command finds the message in, as JSON."""


class NotTakenError(IngestError):
    """A message was not taken; it is sent again."""


Say = Callable[[str], object]


def pause(tries: int) -> float:
    """Return how many seconds to wait before sending again what has failed so often: 1, 2, 4, … up to five minutes."""
    return min(LONGEST_PAUSE, 2.0 ** max(0, min(tries, 20) - 1))


def line(alert: Alert) -> str:
    """Return a crossing as one line."""
    of = f" of {alert.key}" if alert.key else ""
    crossed = "" if alert.value is None else f": {alert.value:,.6g} crossed {alert.threshold:,.6g}"
    return f"alert {alert.rule}{of}{crossed} at {_moment(alert)} [{alert.alert_id}]"


def message(alert: Alert) -> dict[str, Any]:
    """Return a crossing as programs take it."""
    return {
        "id": alert.alert_id,
        "rule": alert.rule,
        "key": alert.key,
        "at": _moment(alert),
        "value": alert.value,
        "threshold": alert.threshold,
        "row": json.loads(alert.row),
        "text": line(alert),
    }


def ways(rule: Rule | None, say: Say) -> dict[str, Callable[[Alert], object]]:
    """Return by which ways to tell a crossing of *rule*; of a rule that is gone only by a line."""
    found: dict[str, Callable[[Alert], object]] = {"stderr": lambda alert: say(line(alert))}
    if rule and (command := rule.command) is not None:
        found["exec"] = lambda alert: _run(command, alert)
    if rule and (address := rule.webhook) is not None:
        found["webhook"] = lambda alert: _post(address, rule.shape, alert)
    return found


def tell(alert: Alert, rule: Rule | None, say: Say) -> tuple[dict[str, Any], str | None]:
    """Tell *alert* by the ways that have not taken it; return what to set in the table, and what went wrong."""
    told, wrong = alert.ways, None
    for way, send in ways(rule, say).items():
        if way in told:
            continue
        try:
            send(alert)
            told.append(way)
        except NotTakenError as error:
            wrong = f"{alert.alert_id}: {error}"
    if wrong:
        return {"told": ",".join(told), "tries": alert.tries + 1, "state": "pending", "sent_at": None}, wrong
    return {"told": ",".join(told), "tries": alert.tries, "state": "sent", "sent_at": datetime.now(UTC)}, None


def _run(command: str | Any, alert: Alert) -> None:
    """Run *command*, by the shell where it is a text; it has a session of its own, which ends with its time."""
    environment = os.environ | {VARIABLE: json.dumps(message(alert), ensure_ascii=False)}
    quiet = subprocess.DEVNULL
    try:
        process = subprocess.Popen(  # noqa: S603 # the user's own command, from a file that only they may write
            command,
            shell=isinstance(command, str),
            env=environment,
            stdin=quiet,
            stdout=quiet,
            start_new_session=True,
        )
    except OSError as error:
        raise NotTakenError(f"exec can't be run: {reason(error)}") from error
    try:
        code = process.wait(SECONDS)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise NotTakenError(f"exec took longer than {SECONDS:g} s") from error
    if code:
        raise NotTakenError(f"exec ended with {code}")


def _post(address: str, shape: str, alert: Alert) -> None:
    body = {"text": line(alert)} if shape == "slack" else message(alert)
    data = json.dumps(body, ensure_ascii=False).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})  # noqa: S310 # rules.py has looked
    host = urlsplit(address).hostname  # the rest of an address may be a secret
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310 # as above
            return
    except (OSError, HTTPException, ValueError) as error:
        raise NotTakenError(f"webhook at {host} did not take it: {reason(error)}") from error


def _moment(alert: Alert) -> str:
    return f"{alert.created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
