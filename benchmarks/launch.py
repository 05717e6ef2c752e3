"""Run a command and print what it took, as JSON. Usage: `launch.py PRINTED COMMAND [ARGUMENT...]`.

PRINTED is where what the command prints goes. A process of its own, because of a process that is started the kernel
counts the memory of its starter too, up to the moment when it becomes another program: this starter is small.
"""

import json
import os
import sys
import time

printed, *command = sys.argv[1:]
output = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
began = time.perf_counter()
child = os.posix_spawnp(
    command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
)
_, status, usage = os.wait4(child, 0)
took = time.perf_counter() - began
cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
print(json.dumps({"took": took, "cpu": cpu, "peak": peak, "code": os.waitstatus_to_exitcode(status)}))
