"""A server of Azure on this machine: Azurite, with one container. It is neither slow nor faulty, and counts nothing."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import shutil
import subprocess
import time
from email.utils import formatdate
from http import HTTPStatus

import pytest

CONTAINER = "logs-of-all"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account of every emulator, as its manual says."""


class Container:
    """The server, which keeps all in its memory, and the environment of those who use it."""

    root = None

    def __init__(self, folder):
        folder.mkdir(parents=True)
        options = ["--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
        self._process = subprocess.Popen(["azurite-blob", *options], cwd=folder, stdout=subprocess.PIPE, text=True)
        listens = next(line for line in self._process.stdout if "successfully listens on" in line)
        self._port = int(listens.rpartition(":")[2])
        self.url = f"az://{CONTAINER}/calls"
        self.environment = {
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{self._port}",
            "XDG_CACHE_HOME": str(folder.parent / "cache"),
        }
        self._create()

    def close(self):
        """End the server."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def _create(self):
        """Create the container, which obstore can't."""
        headers = {"x-ms-date": formatdate(time.time(), usegmt=True), "x-ms-version": "2021-08-06"}
        said = "".join(f"{name}:{value}\n" for name, value in headers.items())
        text = "PUT" + "\n" * 12 + said + f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
        signed = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
        headers |= {"Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(signed).decode()}", "Content-Length": "0"}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)) as connection:
            connection.request("PUT", f"/{ACCOUNT}/{CONTAINER}?restype=container", headers=headers)
            assert connection.getresponse().status == HTTPStatus.CREATED


def started(folder):
    """Return a container; skip where there is no server."""
    pytest.importorskip("obstore", reason="pip install 'llm-ingest[s3]'")
    if not shutil.which("azurite-blob"):
        pytest.skip("the server of Azure that these tests start: npm install azurite, and its .bin in PATH")
    return Container(folder / "server")
