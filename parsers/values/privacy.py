"""Which fields may hold a prompt or a response: those are never kept."""

import re
from functools import cache

_CONTENT = re.compile(
    r"(answer|args|arguments|body|candidate|chunk|choice|code|completion|content|data|delta|document|generation|inputjson|"
    r"input|instruction|llmrequest|message|outputjson|output|params|part|payload|prompt|query|question|reasoning|request|"
    r"response|result|stdout|summary|system|thinking|thought|toolcall|tool|transcript|text)+s?"
)
"""Keys, in lower case, letters only, whose texts may be a prompt or a response. Numbers below them are kept."""


@cache
def is_content(key: str) -> bool:
    """Return whether texts under *key* may be a prompt or a response."""
    return _CONTENT.fullmatch(re.sub(r"[^a-z]|user|assistant", "", key.lower())) is not None
