"""A warehouse in a bucket of S3, Azure or Google, by obstore, read through a folder of this machine.

A PUT that returned is durable, and a PUT that succeeds only where nothing is there makes a commit: a log entry has one
writer. Its answer may be lost on the way, and the retry then finds its own entry; who is refused looks whose it is.
"""

import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import xxhash

from ingest.errors import WarehouseError, one_line
from ingest.warehouse.storage.cache import Cache, Tags, is_data, is_entry
from ingest.warehouse.storage.leases import lease
from ingest.warehouse.storage.store import Fence, Found, Held, UnsureError, Writer, wrong_with

try:
    import obstore
    from obstore.exceptions import (
        AlreadyExistsError,
        BaseError,
        PermissionDeniedError,
        PreconditionError,
        UnauthenticatedError,
    )
    from obstore.store import from_url
except ImportError:
    obstore = None  # type: ignore[assignment] # said when a bucket is asked for

PROBE, CLOCK = ".probe", ".clock"
CONNECTIONS = 16
_TRIES = 8
_PUT_TRIES = 5
_RETRY = {"max_retries": _TRIES, "retry_timeout": timedelta(seconds=30)}


class Bucket:
    """A `Store` whose names are objects below the address *url*."""

    shared = True

    def __init__(self, url: str) -> None:
        self._url = url
        self._store = _opened(self._url)
        self._tags = Tags()
        self._cache = Cache(_kept_in(self._url))
        self.folder = self._cache.folder
        self._pool = ThreadPoolExecutor(CONNECTIONS)

    @staticmethod
    def of(url: str) -> "Bucket":
        """Return the bucket at *url*: one for each address, so that what is known of it serves all.

        Raises:
            WarehouseError: *url* is no bucket's, obstore isn't installed, or the settings don't suffice.
        """
        return _bucket(url.rstrip("/") if urlsplit(url).netloc else url)

    def shown(self, name: str = "") -> str:
        """Return the address of *name*."""
        return f"{self._url}/{name}" if name else self._url

    def get(self, name: str) -> bytes:
        """Return what *name* holds now."""
        with self._told(name):
            found = obstore.get(self._store, name)
            self._tags[name] = found.meta["e_tag"] or ""
            return bytes(found.bytes())

    def stream(self, name: str, size: int) -> Iterator[bytes]:
        """Yield what *name* holds now, some *size* bytes at a time."""
        with self._told(name):
            for chunk in obstore.get(self._store, name).stream(min_chunk_size=size):
                yield bytes(chunk)

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return what those of *names* hold now that are there, all at once; nothing of it is kept here."""
        held = zip(names, self._pool.map(self._get_if_there, names), strict=True)
        return {name: data for name, data in held if data is not None}

    def put(self, name: str, data: bytes) -> None:
        """Let *name* hold *data*."""
        with self._told(name):
            self._tags[name] = obstore.put(self._store, name, data, use_multipart=False)["e_tag"] or ""

    def put_if_absent(self, name: str, data: bytes) -> str | None:
        """Let *name* hold *data* if there is no such name yet, and return its tag; None if another's is there.

        Raises:
            UnsureError: The bucket didn't say, and can't be asked.
        """
        for _ in range(_PUT_TRIES):
            try:
                tag = obstore.put(self._store, name, data, mode="create", use_multipart=False)["e_tag"] or ""
            except (PermissionDeniedError, UnauthenticatedError) as error:
                raise self._error(name, error) from error
            except (BaseError, FileNotFoundError) as error:
                tag, unsure = None, error
            # An answer may be lost, or a 500 or 409 wrong: what is there says who was first.
            if tag is None and (there := self._there(name, unsure)) is not None:
                if there != data:
                    return None
                tag = self._tags[name]
            if tag is not None:
                self._tags[name] = tag
                if is_entry(name):
                    self._cache.write(name, data, tag)
                return tag
        raise UnsureError(f"{self.shown(name)} can't be written: {_cause(unsure)}; run the same command again")

    def begin(self, files: Mapping[str, bytes]) -> dict[str, Found]:
        """Let each name of *files* hold its data if there is no such name yet; return what is known of those."""
        tags = dict(zip(files, self._pool.map(self.put_if_absent, files, files.values()), strict=True))
        return {name: Found(name, len(files[name]), 0, tag) for name, tag in tags.items() if tag}

    def replace_if(self, name: str, data: bytes, tag: str) -> str | None:
        """Let *name* hold *data* if it still has *tag*, and return its new one; None if it hasn't."""
        for _ in range(_PUT_TRIES):
            try:
                put = obstore.put(self._store, name, data, mode={"e_tag": tag}, use_multipart=False)
                self._tags[name] = put["e_tag"] or ""
                return self._tags[name]
            except (PermissionDeniedError, UnauthenticatedError) as error:
                raise self._error(name, error) from error
            except (BaseError, FileNotFoundError) as error:
                there, unsure = self._there(name, error), error
            if there == data:
                return self._tags[name]
            if isinstance(unsure, PreconditionError | FileNotFoundError) or self._tags.get(name) != tag:
                return None
        raise UnsureError(f"{self.shown(name)} can't be written: {_cause(unsure)}; run the same command again")

    def beside(self, folder: str = "") -> tuple[list[str], list[Found]]:
        """Return the folders and the objects right below *folder*."""
        with self._told(folder):
            there = obstore.list_with_delimiter(self._store, folder or None)
        return list(there["common_prefixes"]), [self._found(each) for each in there["objects"]]

    def list(self, *folders: str, after: str = "") -> list[Found]:
        """Return the objects below *folders* with names behind *after*, in the order of names."""
        return sorted(found for each in self._pool.map(partial(self._below, after=after), folders) for found in each)

    def delete(self, names: Iterable[str]) -> None:
        """Delete the objects of *names*."""
        gone = list(names)
        with self._told(gone[0] if gone else ""):
            for at in range(0, len(gone), 1000):
                obstore.delete(self._store, gone[at : at + 1000])
        self._cache.forget(gone)
        self._tags.forget(gone)

    def find(self, *names: str) -> dict[str, Found]:
        """Return what is known of those of *names* that are there."""
        return {found.name: found for found in self._pool.map(self._head, names) if found}

    def file(self, name: str) -> Path:
        """Return the file of this machine that holds *name*; it is fetched where it isn't there."""
        if not self._cache.has(name, self._tags.get(name)):
            self._fetch(name)
        return self._cache.path(name)

    def fetch(self, names: Sequence[str]) -> None:
        """Have the files of *names* at hand; those that aren't in the bucket are left out."""
        list(self._pool.map(self._fetch_if_there, names))

    def write(self, files: Mapping[str, Writer], folder: str | None = None) -> Sequence[int]:
        """Let each name of *files* hold what its function writes, which is kept here too; return their sizes."""
        for name, write in files.items():
            write(self._cache.room(name))
        self.keep(list(files))
        return [self._cache.path(name).stat().st_size for name in files]

    def keep(self, names: Sequence[str]) -> None:
        """Put what was written here as *names*."""
        list(self._pool.map(self._put_file, names))

    def settle(self, names: Sequence[str], folder: str | None = None) -> None:
        """Nothing: what can be seen in a bucket is durable."""

    def alone(self, name: str, explanation: str) -> AbstractContextManager[Fence]:
        """Hold the lease *name* for the length of a block."""
        return lease(self, name, explanation)

    def join(self, name: str, holder: object) -> Held | None:
        """Nobody knows who writes to a bucket: see that nobody can overwrite a commit, which is all that it takes.

        Raises:
            WarehouseError: This store ignores conditions.
        """
        self._probe()
        return None

    def now(self) -> float:
        """Return the time of the bucket, which it says of what is written now: no host's clock decides what is old."""
        self.put(CLOCK, b"{}")
        with self._told(CLOCK):
            return float(obstore.head(self._store, CLOCK)["last_modified"].timestamp())

    def check(self, folders: Iterable[str]) -> None:
        """Nothing: whoever may not look is told by what looks."""

    def prune(self, folder: str) -> None:
        """Keep no log entry below *folder* here that the bucket hasn't: a repair may have moved it aside."""
        there = {found.name for found in self.list(folder)}
        self._cache.forget(self._cache.names(folder) - there)

    def trim(self, needed: Sequence[Found]) -> None:
        """Make room in the cache for the *needed* data files."""
        self._cache.trim({each.name for each in needed}, sum(each.size for each in needed))

    def _below(self, folder: str, after: str) -> Sequence[Found]:
        with self._told(folder):
            chunks = obstore.list(self._store, folder or None, offset=after or None, chunk_size=1000)
            return [self._found(each) for chunk in chunks for each in chunk]

    def _head(self, name: str) -> Found | None:
        try:
            with self._told(name):
                try:
                    return self._found(obstore.head(self._store, name))
                except (PermissionDeniedError, UnauthenticatedError):  # why is in the body, and HEAD's answer has none
                    return self._found(obstore.get(self._store, name).meta)
        except FileNotFoundError:
            return None

    def _found(self, meta: Any) -> Found:
        """Return what the bucket says of an object, whose tag is remembered."""
        self._tags[meta["path"]] = meta["e_tag"] or ""
        return Found(meta["path"], meta["size"], int(meta["last_modified"].timestamp() * 1e9), meta["e_tag"] or "")

    def _probe(self) -> None:
        """Refuse a store in which two could write the same log entry: commits would be lost without a word."""
        for _ in range(2):
            try:
                obstore.put(self._store, PROBE, b"{}", mode="create", use_multipart=False)
            except AlreadyExistsError:
                return
            except (BaseError, FileNotFoundError) as error:
                raise self._error(PROBE, error) from error
        raise WarehouseError(
            f"{self._url}: this store ignores If-None-Match, so that two writers would overwrite each other's commits: "
            "use one that doesn't (S3, Azure, Google, R2, a newer MinIO), or a folder"
        )

    def _there(self, name: str, unsure: Exception) -> bytes | None:
        try:
            return self.get(name)
        except FileNotFoundError:
            return None
        except WarehouseError as error:
            raise UnsureError(str(error)) from unsure

    def _fetch(self, name: str) -> None:
        try:
            data = self.get(name)
        except FileNotFoundError:
            self._cache.forget([name])
            raise
        self._cache.write(name, data, self._tags[name])

    def _get_if_there(self, name: str) -> bytes | None:
        try:
            return self.get(name)
        except FileNotFoundError:
            return None

    def _fetch_if_there(self, name: str) -> None:
        try:
            self.file(name)
        except FileNotFoundError:
            return

    def _put_file(self, name: str) -> None:
        path = self._cache.path(name)
        with self._told(name):
            tag = obstore.put(self._store, name, path)["e_tag"] or ""
        self._tags[name] = tag
        if not is_data(name):
            self._cache.write(name, path.read_bytes(), tag)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, ValueError) as error:
            raise self._error(name, error) from error
        except FileNotFoundError as error:
            if any(sign in str(error) for sign, _ in _SIGNS):
                raise self._error(name, error) from error
            raise

    def _error(self, name: str, error: Exception) -> WarehouseError:
        """Return what *error* means, and what next."""
        shown = self.shown(name)
        if said := _meaning(self._url, error):
            return WarehouseError(f"{self._url}: {said}")
        if isinstance(error, PermissionDeniedError | UnauthenticatedError) or "403 Forbidden" in str(error):
            return WarehouseError(f"{shown}: these credentials may not do that; ask for more rights, or use others")
        return WarehouseError(f"{shown} can't be reached: {_cause(error)}; nothing is lost, try again when it can")


def _meaning(url: str, error: Exception) -> str | None:
    """Return what *error* means for the bucket at *url*, and what next, if that is known."""
    found = next((said for sign, said in _SIGNS if sign in str(error)), None)
    return found and found.format(credentials=_CREDENTIALS_OF[url.partition("://")[0]])


def _cause(error: Exception) -> str:
    """Return why *error* is, in few words, and which server was asked: obstore tells of retries and of all inside."""
    text = str(error)
    told = [found[1] for pattern in _CAUSES if (found := pattern.search(text))]
    cause = told[0] if told else one_line(error)[:200]
    return f"{cause} (at {found[1]})" if (found := _SERVER.search(text)) else cause


_CAUSES = (
    re.compile(r'\bmessage: "([^"]+)"'),
    re.compile(r'error: "([^"]+)"'),
    re.compile(r" - (?:HTTP error: |Server returned non-2xx status code: )?([^\n<]+?):?\s*[\n<]"),
)
"""Where the cause of an error of obstore is said: what the system said, what a name server did, what is last."""

_SERVER = re.compile(r"performing \w+ \w+://([^/\s]+)")

_SIGNS = (
    ("NoSuchBucket", "there is no such bucket: create it, or name another"),
    ("ContainerNotFound", "there is no such container: create it, or name another"),
    ("PermanentRedirect", "the bucket is in another region: set AWS_REGION"),
    ("AuthorizationHeaderMalformed", "the bucket is in another region: set AWS_REGION"),
    ("InvalidAccessKeyId", "the store doesn't know this access key; see AWS_ACCESS_KEY_ID"),
    ("SignatureDoesNotMatch", "the store refuses the secret key; see AWS_SECRET_ACCESS_KEY"),
    ("RequestTimeTooSkewed", "the clock of this machine is wrong by more than the store allows: set it"),
    ("ExpiredToken", "the credentials have expired: renew them"),
    ("NotImplemented", "this store knows no conditional PUT, so that commits could be lost: use another, or a folder"),
    ("AuthenticationFailed", "the store refuses these credentials: set {credentials}"),
    ("MissingAccessKeyId", "AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not"),
    ("MissingSecretAccessKey", "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"),
    ("MissingAccount", "no account: set {credentials}"),
    ("169.254.169.254", "no credentials: set {credentials}"),
    ("metadata.google.internal", "no credentials: set {credentials}"),
)
"""What a store says, or whom it was asked in vain, and what that means."""

_CREDENTIALS_OF = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
}

_lock = threading.Lock()


@cache
def made(url: str) -> Bucket:
    """Return the bucket at *url*, the same each time; `cache_clear` forgets what was known of all."""
    return Bucket(url)


def _bucket(url: str) -> Bucket:
    with _lock:
        return made(url)


def _opened(url: str) -> Any:
    if wrong := wrong_with(url):
        raise WarehouseError(wrong)
    if obstore is None:
        raise WarehouseError(f"{url} is a bucket: pip install 'llm-ingest[s3]'")
    given: dict[str, Any] = {"retry_config": _RETRY}
    if url.startswith("s3:"):
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if endpoint:
            given["endpoint"] = endpoint
            given["client_options"] = {"allow_http": endpoint.startswith("http://")}
        if provider := _profile():
            given["credential_provider"] = provider
    try:
        return from_url(url, **given)
    except (BaseError, ValueError) as error:
        said = _meaning(url, error) or f"it can't be opened: {one_line(error)}"
        raise WarehouseError(f"{url}: {said}") from error


def _profile() -> Any:
    """Return what reads the credentials of a profile, where one is named; it takes boto3."""
    if not (name := os.environ.get("AWS_PROFILE")) or os.environ.get("AWS_ACCESS_KEY_ID"):
        return None
    try:
        from boto3 import Session
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise WarehouseError("AWS_PROFILE is set, and profiles are read by boto3: pip install boto3") from None
    return Boto3CredentialProvider(Session(profile_name=name))


def _kept_in(url: str) -> Path:
    """Return the folder of this machine that keeps files of the bucket at *url*, at its endpoint."""
    usual = os.environ.get("XDG_CACHE_HOME")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    name = xxhash.xxh3_64_hexdigest(f"{endpoint} {url}".encode())
    return (Path(usual) if usual else Path.home() / ".cache") / "llm-ingest" / "buckets" / name
