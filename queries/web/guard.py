"""What a request must be before anything is done for it: from here, for us, small, and only reading."""

import hmac
import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SHORTEST_TOKEN = 16
COOKIE = "ingest-token"
_LONGEST_TARGET = 10_000
_LONGEST_HEADERS = 16_384

Headers = Mapping[str, str]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""What the page may load and do: its own files and questions, and nothing that somebody wrote into a name."""

ALWAYS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every response."""


@dataclass(frozen=True)
class Refusal(Exception):  # noqa: N818 - it says what is refused, which is no error of ours
    """A request that gets no answer, and why."""

    status: int
    why: str
    headers: tuple[tuple[str, str], ...] = ()


def check(method: str, target: str, headers: Headers, hosts: Collection[str], *, by_address: bool) -> None:
    """Refuse what is not a small question of reading, asked of one of *hosts*; *by_address* takes any IP address too.

    A page of another site can have its own name lead to this machine, and then read what is asked under that name.
    What it can't do is make the browser send another `Host`.
    """
    if method not in {"GET", "HEAD"}:
        raise Refusal(405, "only GET and HEAD: nothing can be changed here", (("Allow", "GET, HEAD"),))
    if len(target) > _LONGEST_TARGET:
        raise Refusal(414, f"an address is no longer than {_LONGEST_TARGET:,} characters")
    if sum(len(name) + len(value) for name, value in headers.items()) > _LONGEST_HEADERS:
        raise Refusal(431, f"headers are no longer than {_LONGEST_HEADERS:,} characters")
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise Refusal(413, "a question has no body", (("Connection", "close"),))
    host = _name(headers.get("host", ""))
    if host not in hosts and not (by_address and _is_address(host)):
        raise Refusal(421, "this is not the host that was asked for; `ingest serve --allow-host NAME` allows a name")
    if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
        raise Refusal(403, "asked for by another site")


def admit(token: str | None, headers: Headers) -> None:
    """Refuse who doesn't know the *token*, where there is one."""
    if token is None:
        return
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        given = _cookie(headers.get("cookie", ""))
    if not is_token(token, given.strip()):
        why = "open /?token=… once, or send the header Authorization: Bearer …"
        raise Refusal(401, why, (("WWW-Authenticate", "Bearer"),))


def is_token(token: str, given: str) -> bool:
    """Whether *given* is the *token*, in a time that doesn't tell how much of it is right."""
    return hmac.compare_digest(token.encode(), given.encode("utf-8", "surrogateescape"))


def _name(host: str) -> str:
    """Return the name in a `Host` header, in lower case and without its port."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, ""
    return name.lower() if not port or (port.isascii() and port.isdigit()) else ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def hosts(address: str, allowed: Sequence[str]) -> set[str]:
    """Return the names under which a server at *address* may be asked."""
    own = f"[{address}]" if ":" in address else address
    return {*LOOPBACK, own.lower(), *(name.lower() for name in allowed)}


def is_local(address: str) -> bool:
    """Whether only this machine reaches *address*."""
    if address.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
