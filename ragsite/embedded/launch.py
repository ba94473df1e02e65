"""`python -m ragsite.embedded.launch NAME` prepares a service, then replaces itself by it (exec).

The supervisor runs services that need preparation through it, so that a restart is prepared like a start.
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
