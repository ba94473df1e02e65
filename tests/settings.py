"""The real settings, on a data directory of the tests' own.

DATABASE_URL and REDIS_URL are honoured: the same tests pass against servers of yours.
"""

import os
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_data_dir = os.environ.get("RAGSITE_TEST_DIR") or str(_ROOT / ".ragsite" / "test")
# Each process of a run in parallel has servers of its own.
os.environ["RAGSITE_DATA_DIR"] = f"{_data_dir}{os.environ.get('PYTEST_XDIST_WORKER', '')}"

from ragsite.settings import *  # noqa: E402, F403 (the line above must come first)
from ragsite.settings import INSTALLED_APPS, STORAGES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick
# Hashed names need collectstatic; its own test asks for the real one.
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
# pytest-django's live_server looks for this very name before it serves unhashed files.
INSTALLED_APPS = [
    "django.contrib.staticfiles" if app == "ragsite.apps.StaticFiles" else app for app in INSTALLED_APPS
]
WHITENOISE_AUTOREFRESH = True  # no scan of STATIC_ROOT, which does not exist
TITLES = False  # a call of a model after each first answer; the tests of titles switch them on
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
