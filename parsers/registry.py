"""All formats of lines, in the order in which a line is offered to them."""

from parsers import (
    agentic_runtime,
    app_json,
    claude_code,
    codex,
    compozy,
    compozy_llm_usage,
    compozy_sessions,
    crashlens,
    csv_tables,
    helicone,
    langfuse,
    learnpro,
    learnpro_api,
    litellm,
    openinference,
    otlp,
    pi,
    responses,
    trading,
)
from parsers.format import Format
from parsers.maestro_log import FORMAT as MAESTRO_LOG
from parsers.maestro_usage import FORMAT as MAESTRO_USAGE

FORMATS: tuple[Format, ...] = (
    MAESTRO_LOG,
    MAESTRO_USAGE,
    agentic_runtime.FORMAT,
    trading.FORMAT,
    learnpro.FORMAT,
    learnpro_api.FORMAT,
    compozy.FORMAT,
    compozy_sessions.FORMAT,
    compozy_llm_usage.FORMAT,
    claude_code.FORMAT,
    codex.FORMAT,
    otlp.FORMAT,
    litellm.FORMAT,
    langfuse.FORMAT,
    openinference.FORMAT,
    helicone.FORMAT,
    crashlens.FORMAT,
    pi.FORMAT,
    responses.FORMAT,
    *csv_tables.FORMATS,
    app_json.FORMAT,
)
