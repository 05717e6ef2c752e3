"""The errors that a user can do something about. The command line shows each as one line."""

from collections.abc import Iterable
from difflib import get_close_matches


class QueryError(Exception):
    """A question that can't be answered as asked; the message says why, and what to do next."""

    exit_code = 1


class WordError(QueryError):
    """A name, an option or a value that there isn't: wrong usage, which no other state of the warehouse would mend."""

    exit_code = 2


def nearest(word: str, words: Iterable[str]) -> str:
    """Return a hint such as ` - did you mean tpm?`, or which words there are when none is near and they are few."""
    known = sorted(words)
    close = get_close_matches(word, known, n=3, cutoff=0.5)
    if close:
        return f" - did you mean {' or '.join(close)}?"
    return f" - there are {', '.join(known)}" if 0 < len(known) <= 12 else ""  # noqa: PLR2004 - what a line holds
