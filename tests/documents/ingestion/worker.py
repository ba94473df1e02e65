"""A real Celery worker on the database and the files of a test: python -m tests.documents.ingestion.worker DATABASE MEDIA ..."""

import sys
from pathlib import Path

import django
from django.conf import settings


def main() -> None:
    database, media, *arguments = sys.argv[1:]
    settings.DATABASES["default"]["NAME"] = database
    settings.MEDIA_ROOT = media
    settings.CELERY_BEAT_SCHEDULE_FILENAME = str(Path(media) / "beat-schedule")
    django.setup()
    from ragsite.celery import app  # noqa: PLC0415 - it reads the settings

    app.worker_main(["worker", "--loglevel", "warning", "--without-gossip", "--without-mingle", *arguments])


if __name__ == "__main__":
    main()
