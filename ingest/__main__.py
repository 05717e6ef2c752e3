"""`ingest`, and `python -m ingest`."""

import atexit
import os
import sys


def main() -> None:
    """Run a command, then leave at once: for Python to give back each piece of memory by itself takes 0.1 s."""
    try:
        from ingest.cli import cli  # which takes a while, in which Ctrl-C may come

        cli(prog_name="ingest")
    except KeyboardInterrupt:
        os._exit(130)
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        atexit._run_exitfuncs()  # noqa: SLF001 # os._exit leaves them out: logging, temporary folders
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code or 0)


if __name__ == "__main__":
    main()
