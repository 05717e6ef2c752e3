"""The errors that a user can do something about. The command line shows each as one line."""


class QueryError(Exception):
    """A question that can't be answered as asked; the message says why, and what to do next."""
