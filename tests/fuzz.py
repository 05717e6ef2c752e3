"""Bytes into every parser, guided by coverage, for as long as one likes: none raises, and blocks may end anywhere.

    pip install atheris
    python tests/fuzz.py -max_total_time=600

What libFuzzer finds lies in the current folder (`crash-…`); give it as an argument to run it again. Other arguments are
libFuzzer's own.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["parsers"]):
    from parsers import FORMATS, Block, parse
    from parsers.claims.documents import parse_document

FIXTURES = Path(__file__).parent.parent / "fixtures"
LONGEST = 4_000


def main():
    """Start from the fixtures, each as it is and each of its first lines."""
    given = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    with tempfile.TemporaryDirectory(prefix="ingest-fuzz-") as corpus:
        if not given:
            seed(Path(corpus))
        atheris.Setup([*sys.argv, *([] if given else [corpus])], hold)
        atheris.Fuzz()


def seed(corpus):
    """Write the inputs to start from."""
    for number, path in enumerate(sorted(p for p in FIXTURES.rglob("*") if p.is_file())):
        data = path.read_bytes()
        pieces = [data, *data.splitlines(keepends=True)[:20]] if path.suffix != ".db" else []
        for at, piece in enumerate(piece for piece in pieces if len(piece) <= LONGEST):
            (corpus / f"{number}-{at}").write_bytes(piece)


def hold(data):
    """See that *data* is read to its end, and that its rows are the same in one block and in two."""
    whole = parse(Block(data, sealed=True), FORMATS)
    assert whole.end == len(data), "not all of it was read"
    for rows in (whole.calls, whole.events, whole.rejects):
        assert rows["source_offset"].is_between(0, max(len(data) - 1, 0)).all(), "a row from somewhere else"

    first = parse(Block(data[: data.find(b"\n", len(data) // 2) + 1]), FORMATS)
    second = parse(Block(data[first.end :], first.end, sealed=True), FORMATS, first.contexts)
    for name in ("calls", "events", "rejects"):
        together, apart = getattr(whole, name), [getattr(rows, name) for rows in (first, second)]
        assert together.height == sum(rows.height for rows in apart), f"other {name} in two blocks"
    parse_document(data, FORMATS)


if __name__ == "__main__":
    main()
