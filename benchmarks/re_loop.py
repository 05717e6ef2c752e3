"""What people write: one regex over each line, tokens summed per model and minute. Usage: `re_loop.py LOG`."""

import re
import sys
from collections import defaultdict
from pathlib import Path

USAGE = re.compile(
    r"^\[(\d{4}-\d\d-\d\dT\d\d:\d\d):\d\d\.\d{3}Z\] \[[^\]]*\] INFO: LLM call to model '([^']*)': "
    r"latency ([0-9.e+-]+)s?, request tokens: ([\d,]+), response tokens: ([\d,]+), "
    r"total tokens: ([\d,]+), cost \$([\d.]+) \(agent: ([^,]*), story: ([^,]*), state: ([^,)]*)"
)

minutes: dict[tuple[str, str], int] = defaultdict(int)
cost: dict[str, float] = defaultdict(float)
with Path(sys.argv[1]).open(encoding="utf-8") as log:
    for line in log:
        if found := USAGE.match(line):
            minute, model, _, _, _, total, usd, agent, _, _ = found.groups()
            minutes[model, minute] += int(total.replace(",", ""))
            cost[agent] += float(usd)
print(sum(minutes.values()), max(minutes.values()), sum(cost.values()))
