"""The web process stays small: it never imports models or parsers, which run in other processes."""

import os
import subprocess
import sys

HEAVY = ("torch", "sentence_transformers", "unstructured", "spacy", "kreuzberg", "transformers", "numpy")


def test_the_web_process_imports_no_model_and_no_parser():
    program = f"import ragsite.asgi, ragsite.urls, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
