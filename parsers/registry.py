"""All formats of lines, in the order in which a line is offered to them."""

from parsers.format import Format
from parsers.maestro_log import FORMAT as MAESTRO_LOG

FORMATS: tuple[Format, ...] = (MAESTRO_LOG,)
