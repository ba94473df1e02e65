"""How static files are stored: hashed names, compressed, and ES modules that import hashed names."""

from django.contrib.staticfiles.storage import HashedFilesMixin
from whitenoise.storage import CompressedManifestStaticFilesStorage


class ManifestStorage(CompressedManifestStaticFilesStorage):
    support_js_module_import_aggregation = True
    # Ours only: packages bring files that say `import("../htmx")` in a comment, which is no import.
    _js_module_import_aggregation_patterns = (
        "js/*.js",
        *HashedFilesMixin._js_module_import_aggregation_patterns[1:],
    )
