"""Text that a collector, a terminal or a command puts before a line: each by a regex, as data."""

import re
from dataclasses import dataclass

_ISO = r"(?-u:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)"
_LEVEL = r"(?i:trace|debug|info|notice|warn(?:ing)?|error|critical|fatal)"
"""The words of loggers; what one says before an object, such as `response:`, is no part of that."""
_SAID = r"(?:[\s|\[\](),*-]+[\w.$/@]+){0,4}?[\s|\[\](),*-]+"
"""What a logger says between the time and the level: names, threads and numbers."""


@dataclass(frozen=True)
class Prefix:
    """Text before a line: a regex whose groups are named as `FACTS`; `tag` is `P` for a piece of a longer line.

    `sure` says that the regex alone tells; else something that is a line of a format must follow, in some line of the
    block at least if the prefix is not a `loose` one. A `cell` is what follows in a CSV file. `then` is a regex for
    what must follow the prefix.
    """

    name: str
    pattern: str
    sure: bool = True
    loose: bool = False
    cell: bool = False
    then: str = ""

    @property
    def test(self) -> str:
        """The regex without names, to be joined with others, and what must follow."""
        return nameless(self.pattern) + self.then


def nameless(pattern: str) -> str:
    """Return the regex *pattern* without the names of its groups, to be joined with others."""
    return re.sub(r"\(\?P<\w+>", "(?:", pattern)


PREFIXES = (
    Prefix("cri", rf"(?P<time>{_ISO}) (?P<stream>stdout|stderr) (?P<tag>[PF])(?::\S+)? "),
    Prefix(
        "syslog",
        r"<\d{1,3}>1 (?P<time>\S+) (?P<host>\S+) (?P<service>\S+) \S+ \S+ "
        r'(?:-|(?:\[\S+?(?: [^\s=\]]+="(?:[^"\\\]]|\\.)*")*\])+) (?:\x{FEFF})?',
    ),
    Prefix("kubectl", r"\[pod/(?P<pod>[^/\]\s]+)/(?P<container>[^/\]\s]+)\] "),
    Prefix("logger", rf"(?P<time>{_ISO}){_SAID}{_LEVEL}\b[^{{\"]*", sure=False, then=r"\{"),
    Prefix("logger", rf"(?:\d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d\S*|{_LEVEL}\b)[^{{\"]*", sure=False, then=r"\{"),
    Prefix(
        "syslog",
        rf"(?:<\d{{1,3}}>)?(?:[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|(?P<time>{_ISO})) "
        r"(?P<host>[^\s:\[]+) (?P<service>[^\s:\[{\x22]+)(?:\[\d+\])?: ",
        sure=False,
    ),
    Prefix("airflow", rf"\[(?P<time>{_ISO})\] \{{[^}}\n]*\}} [A-Z]+ - "),
    Prefix("celery", rf"\[(?P<time>{_ISO}): [A-Z]+/(?P<service>[^\]\n]+)\] (?:[\w.]+\[[\w-]+\]: )?"),
    Prefix("dapr", r"== APP(?: - (?P<service>\S+))? == "),
    Prefix("gitlab", rf"(?P<time>{_ISO}) [0-9a-f]{{2}}(?-u:[OE])[+ ]?"),
    Prefix("heroku", rf"(?P<time>{_ISO}) (?:app|heroku)\[(?P<service>[^\]\s]+)\]: "),
    Prefix("honcho", r"\d\d:\d\d:\d\d (?P<container>[A-Za-z0-9][\w.-]*) +\| ", sure=False),
    Prefix("render", r"[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d [AP]M +(?:\[(?P<host>[\w-]+)\] +)?", sure=False),
    Prefix("compose", r"(?P<container>[A-Za-z0-9][\w.-]*)(?:@(?P<host>[\w.-]+))? +\| ", sure=False),
    Prefix("pm2", r"\d+\|(?P<service>[^\s|]+) *\| ", sure=False),
    Prefix("lambda", rf"(?:\[[A-Z]+\]\t)?(?P<time>{_ISO})\t[0-9a-f-]{{36}}\t(?:[A-Z]+\t)?"),
    Prefix("fluentd", rf"(?P<time>{_ISO})\t(?P<service>[^\t]+)\t", sure=False),
    Prefix("cloudwatch", rf"(?P<time>{_ISO}) (?P<service>[^\s\[\]{{}}]+/[^\s\[\]{{}}]+) ", sure=False),
    Prefix(
        "stern",
        r"(?:\+ )?(?P<pod>[a-z0-9][a-z0-9.-]*) (?:› )?(?P<container>[a-z0-9][a-z0-9-]*) ",
        sure=False,
        loose=True,
    ),
    Prefix("github-actions", r"(?:[^\t\n]+\t[^\t\n]+\t)?\x{FEFF}?(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z) "),
    Prefix("time", rf"(?P<time>{_ISO})[ \t]", sure=False),
    Prefix("cloudwatch", rf"(?P<time>\d{{13}}|{_ISO}),", sure=False, cell=True),
    Prefix("indented", r"(?:\x{FEFF})?[ \t]+", sure=False, loose=True),
)
"""Text before a line, the surest first."""

TIMED = ("] {", "/MainProcess] ", "/ForkPoolWorker", "/Thread", "/SpawnPoolWorker")
"""What is in the lines of loggers whose prefix begins with a time in brackets, as other logs' own lines do."""

COLOURS = r"\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]"
"""What a terminal obeys and doesn't show (ECMA-48): colours above all, titles, character sets."""
