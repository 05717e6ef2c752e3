"""A web server on the loopback that takes messages, beside the test that looks at what came."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hook:
    """Takes each message, after *before* was called with it; refuses as many as `refuse` says."""

    def __init__(self, before=lambda message: None):
        self.came, self.taken, self.refuse = [], [], 0
        self._before, self._changed = before, threading.Condition()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                hook._take(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/secret-path"

    def _take(self, request, message):
        with self._changed:
            self.came.append(message)
            refused, self.refuse = self.refuse > 0, max(0, self.refuse - 1)
            self._changed.notify_all()
        self._before(message)
        try:
            request.send_response(500 if refused else 204)
            request.end_headers()
        except OSError:
            return  # who sent it is gone
        if not refused:
            with self._changed:
                self.taken.append(message)
                self._changed.notify_all()

    def until(self, happened, seconds=60):
        """Wait until *happened* says so of this, looking at each message that comes."""
        with self._changed:
            assert self._changed.wait_for(lambda: happened(self), seconds), self.came

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._server.server_close()
