"""A server of `ingest serve` that really runs, beside the test that asks it."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from urllib.parse import urlencode

from warehouses import at, build, call, event

SCRIPT = "<img src=x onerror=\"document.title='hacked'\">"
"""What a model and an agent may be called, and a page must not obey."""


def busy_warehouse(folder):
    """Write two days of calls of five models, a failure, a told limit, an unpriced model and hostile names."""
    models = [
        ("gpt-5.2", "openai"),
        ("claude-opus-4-5", "anthropic"),
        (SCRIPT, "openai"),
        ("tiny-local", None),
        (None, None),
    ]
    calls = [
        call(
            at("2026-02-03T10:00:00") + timedelta(minutes=7 * n),
            1_000 + 997 * (n * n % 101),
            model=model,
            provider=provider,
            agent_id=SCRIPT if n % 3 else f"coder-{n % 4:03}",
            project="</script><script>document.title='hacked'</script>" if n % 5 else "shop",
            user_id=f"user-{n % 3}",
            source_offset=n,
            **({} if n % 10 else {"cost_usd": None, "cost_reported_usd": None, "known_model": False}),
        )
        for n in range(300)
        for model, provider in [models[n % len(models)]]
    ]
    calls.append(call("2026-02-04T09:00:00", None, error=SCRIPT, error_type="overloaded", source_offset=1_000))
    told = json.dumps({"provider": "openai", "dimension": "TPM", "limit": 90_000, "used": 80_000, "requested": 20_000})
    limited = event("2026-02-04T09:00:00", "rate_limited", model="gpt-5.2", metadata=told, wait_ms=1_000)
    return str(build(folder, llm_calls=calls, llm_events=[limited]))


class Served:
    """A server on a free port; `said` is what it said on stderr when it was asked to stop."""

    def __init__(self, warehouse, *options, python=()):
        command = [sys.executable, *python, "-m", "ingest", "serve", "-w", str(warehouse), "--port", "0", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"TZ": "UTC"})
        self.said = ""
        while (found := re.search(r"http://[^ ]*:(\d+)/", self.said)) is None:
            line = self.process.stderr.readline()
            assert line, self.said
            self.said += line
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def stop(self, number=signal.SIGTERM):
        """End it, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.said += self.process.communicate(timeout=30)[1]
        return self.process.returncode

    def get(self, path, *, method="GET", body=None, **headers):
        """Return the status, headers and body of the answer at *path*."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def report(self, name, pairs=()):
        """Return the body of the answer of a report."""
        status, _, body = self.get(f"/api/reports/{name}" + (f"?{urlencode(pairs)}" if pairs else ""))
        assert status == 200, body
        return body.decode()

    def say(self, *parts):
        """Send bytes as they are, and return what comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as talking:
            for part in parts:
                talking.sendall(part)
            found = b""
            try:
                while got := talking.recv(65_536):
                    found += got
            except ConnectionResetError:
                pass  # it closed while it was still being told
            return found

    def events(self, **headers):
        """Yield ("open", "") and then the events of the stream, each as (name, data)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", "/api/stream", headers={k.replace("_", "-"): v for k, v in headers.items()})
            response, name = connection.getresponse(), ""
            assert response.getheader("Content-Type").startswith("text/event-stream")
            yield "open", ""
            while line := response.readline().decode().rstrip("\n"):  # a stream that ends gives an empty line
                while line:
                    field, _, value = line.partition(": ")
                    name = value if field == "event" else name
                    if field == "data":
                        yield name, value
                    line = response.readline().decode().rstrip("\n")
        finally:
            connection.close()
