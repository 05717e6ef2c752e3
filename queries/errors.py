"""The errors that a user can do something about. The command line shows each as one line."""


class QueryError(Exception):
    """A question that can't be answered as asked; the message says why, and what to do next."""

    exit_code = 1


class WordError(QueryError):
    """A name, an option or a value that there isn't: wrong usage, which no other state of the warehouse would mend."""

    exit_code = 2


class LateError(QueryError):
    """A question that was given up because it took too long."""
