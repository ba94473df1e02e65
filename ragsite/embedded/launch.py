"""`python -m ragsite.embedded.launch NAME` prepares a process and becomes it.

The supervisor calls it for processes that need preparing, so that a restart is prepared like a start.
"""

import os
import sys

from ragsite.errors import StartError

from .processes import PROCESSES


def main(name: str) -> None:
    try:
        service = PROCESSES[name]()
        if service.prepare:
            service.prepare()
    except StartError as error:
        sys.exit(f"ERROR {error}")
    os.chdir(service.cwd)
    if service.before_exec:
        service.before_exec()
    os.execve(service.argv[0], service.argv, service.env)


if __name__ == "__main__":
    main(sys.argv[1])
