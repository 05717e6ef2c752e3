"""Addresses of PostgreSQL, read as libpq reads them, so that what is shown of one never holds what is secret.

    postgresql://[user[:password]@][host[:port][,…]][/database][?name=value&…]

The grammar is that of `conninfo_uri_parse_options` in PostgreSQL's `fe-connect.c` (documentation: "Connection URIs",
section 34.1.1.2). It differs from that of other URLs: `#` and `?` may stand in a password, `/` may not, several hosts
may be named, and the scheme is in lower case only.
"""

import re
from urllib.parse import unquote_to_bytes

from ingest.errors import SourceError

SCHEMES = ("postgresql://", "postgres://")
"""How the addresses of databases begin."""

SECRETS = ("password", "sslpassword", "passfile", "sslkey", "oauth_client_secret")
"""Parameters that nobody else may see."""

_EXAMPLE = "postgresql://user@host:5432/database"
_ENDS_HOST = re.compile(r"[:/?,]|$")
_ENDS_PORT = re.compile(r"[/?,]|$")
_BLANKS = " \t\n\v\f\r"
_NOT_HEX = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ANY_CREDENTIALS = re.compile(r"://.*@", re.DOTALL)


def is_address(text: str) -> bool:
    """Tell whether *text* is meant to be an address of a database; also one with a scheme that libpq won't take."""
    return text.lower().startswith(SCHEMES)


def parameters(address: str) -> dict[str, str]:
    """Return what libpq understands of *address*: its connection parameters by their names.

    Raises:
        SourceError: It is none; the message shows nothing of it.
    """
    scheme = next((scheme for scheme in SCHEMES if address.startswith(scheme)), None)
    if scheme is None:
        raise _bad("a scheme in lower case")
    rest, found = address[len(scheme) :], {}
    at = rest.find("@")
    if at >= 0 and "/" not in rest[:at]:
        user, _, password = rest[:at].partition(":")
        rest = rest[at + 1 :]
        found = {"user": user, "password": password}
    found["host"], found["port"], rest = _hosts(rest)
    if rest.startswith("/"):
        found["dbname"], question, rest = rest[1:].partition("?")
        rest = question + rest
    return {name: _decoded(value) for name, value in found.items() if value} | _options(rest.removeprefix("?"))


def shown(address: str) -> str:
    """Return *address* with no more than its servers, its database or its service: what may be stored and printed.

    Raises:
        SourceError: It is no address.
    """
    known = parameters(address)
    if any("@" in known.get(name, "") for name in ("dbname", "host", "port")):
        raise _bad("/ written %2F and @ written %40 in a password")
    if "service" in known and not ({"host", "dbname"} & known.keys()):
        return f"postgresql:///?service={known['service']}"
    host = known.get("host", known.get("hostaddr", ""))
    ports = known.get("port", "")
    if "," in host and ports.count(",") == host.count(","):
        pairs = zip(host.split(","), ports.split(","), strict=True)
        servers = ",".join(_server(*pair) for pair in pairs)
    else:
        servers = _server(host, ports)
    return f"postgresql://{servers}/{known.get('dbname', '')}"


def hidden(text: str, address: str) -> str:
    """Return *text*, an error of the driver, without *address* and what is secret in it."""
    try:
        known = parameters(address)
    except SourceError:
        known = {}
    told = [address, *(known[name] for name in SECRETS if known.get(name))]
    for secret in sorted(told, key=len, reverse=True):
        text = text.replace(secret, "…")
    return _ANY_CREDENTIALS.sub("://…@", text)


def _server(host: str, port: str) -> str:
    if host.startswith(("/", "@")):
        return ""  # a socket of this machine
    bare = f"[{host}]" if ":" in host else host
    return f"{bare}:{port}" if port and bare else bare


def _hosts(rest: str) -> tuple[str, str, str]:
    """Return the hosts and ports at the beginning of *rest*, each with commas between them, and what follows."""
    hosts, ports = [], []
    while True:
        if rest.startswith("["):
            host, bracket, rest = rest[1:].partition("]")
            if not bracket or not host or rest[:1] not in {"", ":", "/", "?", ","}:
                raise _bad("an IPv6 address as in [::1]")
        else:
            host, rest = _until(_ENDS_HOST, rest)
        port = ""
        if rest.startswith(":"):
            port, rest = _until(_ENDS_PORT, rest[1:])
        hosts.append(host)
        ports.append(port)
        if not rest.startswith(","):
            return ",".join(hosts), ",".join(ports), rest
        rest = rest[1:]


def _until(end: re.Pattern[str], text: str) -> tuple[str, str]:
    found = end.search(text)
    at = found.start() if found else len(text)
    return text[:at], text[at:]


def _options(text: str) -> dict[str, str]:
    found = {}
    for option in text.split("&") if text else ():
        name, equals, value = option.partition("=")
        if not equals or "=" in value:
            raise _bad("?name=value&name=value behind the database")
        found[_decoded(name)] = _decoded(value)
    if found.get("ssl") == "true":
        del found["ssl"]
        found["sslmode"] = "require"
    return found


def _decoded(text: str) -> str:
    text = text.strip(_BLANKS)
    if _NOT_HEX.search(text) or "%00" in text:
        raise _bad("%25 for a %")
    if any(blank in text for blank in _BLANKS):
        raise _bad("%20 for a blank")
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")


def _bad(needed: str) -> SourceError:
    return SourceError(
        f"that isn't an address of PostgreSQL: it needs {needed}, as in {_EXAMPLE}; a password may come "
        "from PGPASSWORD, ~/.pgpass or a service"
    )
