"""A server of S3 on this machine, as a process of its own: slow, faulty or careless on request, and it counts.

It is `localbucket`, which is atomic where two put the same name at once, with what that lacks: If-Match, and the
deletion of many objects at once.
"""

import contextlib
import http.client
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote
from xml.sax.saxutils import unescape

import pytest

CONTROL = "/-control"
FAULTS = {"lost": 0.03, "500": 0.03, "503": 0.03, "409": 0.03}
"""How often a PUT goes wrong for those who are to be misled."""
BUCKET = "logs-of-all"


class Bucket:
    """The server, with one bucket in *folder*, and the environment of those who use it."""

    def __init__(self, folder):
        folder.mkdir(parents=True)
        (folder / BUCKET).mkdir()
        self.root = folder / BUCKET
        self._process = subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True)
        self.endpoint = f"http://127.0.0.1:{self._process.stdout.readline().strip()}"
        self.url = f"s3://{BUCKET}/calls"
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "key-of-the-tests",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
            "AWS_REGION": "us-east-1",
            "XDG_CACHE_HOME": str(folder.parent / "cache"),
        }

    def set(self, **settings):
        """Change how the server behaves: `delay`, `faults` by their chance, `careless`, `refuse`."""
        self._asked(settings)

    def counts(self):
        """Return how many requests there were since this was asked last, by method and what they were for."""
        return Counter(self._asked(None))

    def close(self):
        """End the server."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def _asked(self, settings):
        port = int(self.endpoint.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", CONTROL, json.dumps(settings).encode())
            return json.loads(connection.getresponse().read())


def started(folder):
    """Return a bucket below *folder*; skip where there is no server."""
    pytest.importorskip("obstore", reason="pip install 'llm-ingest[s3]'")
    pytest.importorskip("localbucket", reason="the server of S3 that these tests start: pip install localbucket")
    return Bucket(folder / "server")


def main(folder):  # noqa: C901 # one handler
    from localbucket import S3Error, S3Handler, object_etag

    settings = {"delay": 0.0, "faults": {}, "careless": False, "refuse": None, "seed": 1}
    counts, lock, chance = Counter(), threading.Lock(), random.Random(1)

    class Handler(S3Handler):
        data_root = folder

        def log_message(self, *_):
            pass

        def _dispatch(self, action):
            time.sleep(settings["delay"])
            kind = "LIST" if self.command == "GET" and "list-type" in self.path else self.command
            with lock:
                counts[f"{kind} {what(unquote(self.path))}"] += 1
                fault = self._fault()
            if settings["refuse"]:
                self._read_body()
                self._send_error(S3Error(HTTPStatus.FORBIDDEN, settings["refuse"], "refused by the test"))
            elif fault == "503":
                self._read_body()
                self._send_error(S3Error(HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown", "before anything was done"))
            elif fault == "409":
                self._read_body()
                self._send_error(S3Error(HTTPStatus.CONFLICT, "ConditionalRequestConflict", "nothing was done"))
            else:
                self._answer = fault
                super()._dispatch(action)

        def _fault(self):
            if self.command != "PUT":
                return None
            faults, at = settings["faults"], chance.random()
            for name, share in faults.items():
                if name == "409" and "If-None-Match" not in self.headers:
                    continue
                if at < share:
                    return name
                at -= share
            return None

        def _send_headers(self, status, length, headers=None):
            fault, self._answer = getattr(self, "_answer", None), None
            if fault and status == HTTPStatus.OK:
                self.close_connection = True
                if fault == "lost":
                    self.connection.shutdown(2)
                    return
                status, length = HTTPStatus.INTERNAL_SERVER_ERROR, 0  # and yet it was done
            super()._send_headers(status, length, headers)

        def _write_object(self, bucket, key, write):
            match = self.headers.get("If-Match")
            if settings["careless"]:
                del self.headers["If-None-Match"]
            if match is None:
                return super()._write_object(bucket, key, write)
            with lock:
                target = self._object_path(bucket, key)
                if not target.is_file() or object_etag(target) != match.strip('"'):
                    raise self._precondition_failed_error()
                return super()._write_object(bucket, key, write)

        def _post_request(self, bucket, key):
            if self.path == CONTROL:
                self._control(json.loads(self._read_body()))
            elif "delete" in self.query:
                names = re.findall("<Key>(.*?)</Key>", self._read_body().decode())
                for name in names:
                    self._object_path(bucket, unescape(name)).unlink(missing_ok=True)
                done = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
                self._send(HTTPStatus.OK, f"<DeleteResult>{done}</DeleteResult>".encode())
            else:
                super()._post_request(bucket, key)

        def do_POST(self):  # noqa: N802 # as the server calls it
            if self.path == CONTROL:
                self._control(json.loads(self._read_body()))
            else:
                super().do_POST()

        def _control(self, given):
            with lock:
                told = dict(counts)
                counts.clear()
                settings.update(given or {})
            self._send(HTTPStatus.OK, json.dumps(told).encode())

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, request, client_address):
            pass  # a client that was killed, or an answer that was lost on purpose

    server = Server(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    server.serve_forever()


def end_with_parent(parent):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def what(path):
    """Return what a request is for, by the name of its object."""
    for part, name in (("date=", "data"), ("_delta_log", "log"), (".probe", "probe"), ("_inbox", "inbox")):
        if part in path:
            return name
    return "other"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
