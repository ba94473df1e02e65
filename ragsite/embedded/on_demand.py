"""The embedded PostgreSQL for one command, if `make run` does not run it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ragsite import settings
from ragsite.errors import StartError

from . import postgres
from .claim import AlreadyRunning, claim_data_dir
from .service import running


@contextmanager
def database_server(*, alone: bool, create: bool = False) -> Iterator[None]:
    """Have a database server inside the block: a server of yours, the one that runs, or one for this block only.

    alone: refuse if Ragsite runs in the data directory. create: make a new database if there is none; else a command
    in a shell without RAGSITE_DATA_DIR, such as that of cron, would work on an empty one. Raises StartError.
    """
    if not (settings.DATABASE_URL or create or postgres.exists(settings.DATA_DIR)):
        raise StartError(
            f"There is no database in {settings.DATA_DIR}. Set RAGSITE_DATA_DIR or DATABASE_URL as for Ragsite itself: "
            "cron and other shells have neither."
        )
    if settings.DATABASE_URL or (not alone and postgres.answers(settings.DATA_DIR)):
        yield
        return
    what = f"A command of manage.py works on {settings.DATA_DIR} (process {os.getpid()}): wait for its end."
    log = settings.DATA_DIR / "logs" / "postgres.log"
    with ExitStack() as stack:
        try:
            stack.enter_context(claim_data_dir(settings.DATA_DIR, what))
        except AlreadyRunning as error:
            raise StartError(f"Stop Ragsite first. {error}") from None
        stack.enter_context(running(postgres.service(settings.DATA_DIR), log))
        yield
