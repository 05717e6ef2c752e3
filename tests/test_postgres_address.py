"""Addresses of PostgreSQL are read as libpq reads them, and nothing secret is ever shown."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from ingest.databases.postgres_address import hidden, is_address, parameters, shown
from ingest.errors import SourceError

ADDRESSES = [
    "postgresql://",
    "postgres://host",
    "postgresql://host:5433/app",
    "postgresql://joe@host/app",
    "postgresql://joe:s3cret@host/app",
    "postgresql://joe:s3#cret@host/app",
    "postgresql://joe:s3?cret@host/app",
    "postgresql://joe:s3%2Fcret@host/app",
    "postgresql://joe:s3%40cret@host/app",
    "postgresql://joe:s3:cret@host/app",
    "postgresql://joe:s3/cret@host/app",
    "postgresql://joe:s3@cret@host/app",
    "postgresql://:s3cret@host",
    "postgresql://joe:@host",
    "postgresql://@host",
    "postgresql://[::1]:5432/app",
    "postgresql://[::1]/app",
    "postgresql://a:1,b:2/app",
    "postgresql://a,b/app",
    "postgresql:///app?host=/var/run/postgresql",
    "postgresql://%2Fvar%2Frun/app",
    "postgresql:///app?host=db.example.org&password=s3cret",
    "postgresql://host/app?user=joe&sslmode=require",
    "postgresql://host/app?ssl=true",
    "postgresql://host?connect_timeout=5",
    "postgresql:///?service=reports",
    "postgresql://host/a%20b",
    "postgresql://host/app#part",
]
REFUSED = [
    "POSTGRESQL://joe:s3cret@host/app",
    "Postgres://joe:s3cret@host/app",
    "postgresql://joe:s3%zzcret@host",
    "postgresql://joe:s3cret@[::1/app",
    "postgresql://joe:s3cret@[]/app",
    "postgresql://joe:s3cret@[::1]x/app",
    "postgresql://joe:s3cret@host/app?user",
    "postgresql://joe:s3cret@host/app?user=a=b",
    "postgresql://joe:s3cret%00@host/app",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_it_is_read_as_libpq_reads_it(address):
    assert parameters(address) == conninfo_to_dict(address)


@pytest.mark.parametrize("address", REFUSED)
def test_what_libpq_refuses_is_refused_without_showing_it(address):
    with pytest.raises(ProgrammingError):
        conninfo_to_dict(address)
    assert is_address(address)
    with pytest.raises(SourceError) as refused:
        parameters(address)
    assert "s3" not in str(refused.value)


_PIECE = st.text(st.sampled_from("ab1:/?#@%[],=&. é"), max_size=6)


@given(st.builds("postgresql://{}{}{}".format, _PIECE, st.sampled_from(["", "@"]), _PIECE))
@example("postgresql://a%2")
@example("postgresql://,")
@example("postgresql://a:?b=c&d=e")
@example("postgresql://%a1")
def test_any_text_is_read_or_refused_as_by_libpq(address):
    try:
        theirs = conninfo_to_dict(address)
    except UnicodeDecodeError:
        return  # libpq takes the bytes, which psycopg can't show
    except ProgrammingError as error:
        if "invalid connection option" in str(error) or "invalid URI query parameter" in str(error):
            return  # it knows which parameters there are
        with pytest.raises(SourceError):
            parameters(address)
    else:
        assert parameters(address) == theirs


@pytest.mark.parametrize("address", [a for a in ADDRESSES if "s3" in a and "s3/" not in a and "s3@" not in a])
def test_nothing_secret_is_shown(address):
    assert "s3" not in shown(address)
    assert "cret" not in shown(address)
    assert "joe" not in shown(address)


@pytest.mark.parametrize("address", ["postgresql://joe:s3/cret@host/app", "postgresql://joe:s3@cret@host/app"])
def test_a_password_that_libpq_takes_for_a_host_is_not_shown(address):
    try:
        told = shown(address)
    except SourceError as error:
        told = str(error)
    assert "cret@" not in told
    assert "s3" not in told


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgresql://joe:s3#cret@host:5433/app?sslmode=require", "postgresql://host:5433/app"),
        ("postgresql://joe@[::1]:5432/app", "postgresql://[::1]:5432/app"),
        ("postgresql://a:1,b:2/app", "postgresql://a:1,b:2/app"),
        ("postgresql:///app?host=db.example.org", "postgresql://db.example.org/app"),
        ("postgresql:///app?host=/var/run/postgresql", "postgresql:///app"),
        ("postgresql:///?service=reports", "postgresql:///?service=reports"),
    ],
)
def test_server_and_database_are_shown(address, told):
    assert shown(address) == told


def test_an_error_of_the_driver_is_shown_without_what_is_secret():
    address = "postgresql://joe:s3#cret@host/app?sslpassword=hu%23sh"
    said = f"can't connect to {address}: password s3#cret refused, sslpassword hu#sh, postgres://x:y@z"

    assert hidden(said, address) == "can't connect to …: password … refused, sslpassword …, postgres://…@z"
