"""All formats of lines, in the order in which a line is offered to them."""

from parsers import (
    agentic_runtime,
    compozy,
    compozy_llm_usage,
    compozy_sessions,
    csv_tables,
    learnpro,
    learnpro_api,
    trading,
)
from parsers.format import Format
from parsers.maestro_log import FORMAT as MAESTRO_LOG

FORMATS: tuple[Format, ...] = (
    MAESTRO_LOG,
    agentic_runtime.FORMAT,
    trading.FORMAT,
    learnpro.FORMAT,
    learnpro_api.FORMAT,
    compozy.FORMAT,
    compozy_sessions.FORMAT,
    compozy_llm_usage.FORMAT,
    *csv_tables.FORMATS,
)
