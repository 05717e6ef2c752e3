"""Text of a log → what may be shown: nothing that a terminal would obey."""

import re

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """Return *text* with control characters, and bytes of names that are no UTF-8, spelled out."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def visible_lines(text: str) -> str:
    """Return *text*, which may have several lines, in the same way."""
    return "\n".join(map(visible, text.split("\n")))
