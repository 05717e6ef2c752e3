"""All formats of lines, in the order in which a line is offered to them."""

from parsers import csv_tables
from parsers.blocks.format import Format
from parsers.formats import (
    agentic_runtime,
    app_json,
    claude_code,
    codex,
    crashlens,
    gemini_cli,
    helicone,
    kimi,
    langfuse,
    learnpro,
    learnpro_api,
    litellm,
    opencode,
    openinference,
    otlp,
    pi,
    responses,
    trading,
)
from parsers.formats.compozy import llm_usage, runs, sessions
from parsers.formats.maestro.log import FORMAT as MAESTRO_LOG
from parsers.formats.maestro.usage import FORMAT as MAESTRO_USAGE

FORMATS: tuple[Format, ...] = (
    MAESTRO_LOG,
    MAESTRO_USAGE,
    agentic_runtime.FORMAT,
    trading.FORMAT,
    learnpro.FORMAT,
    learnpro_api.FORMAT,
    runs.FORMAT,
    sessions.FORMAT,
    llm_usage.FORMAT,
    claude_code.FORMAT,
    codex.FORMAT,
    otlp.FORMAT,
    litellm.FORMAT,
    langfuse.FORMAT,
    openinference.FORMAT,
    helicone.FORMAT,
    crashlens.FORMAT,
    pi.FORMAT,
    gemini_cli.FORMAT,
    opencode.FORMAT,
    kimi.FORMAT,
    responses.FORMAT,
    *csv_tables.FORMATS,
    app_json.FORMAT,
)
