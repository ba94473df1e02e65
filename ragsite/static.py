"""Storage of static files: hashed names, compressed, with ES modules that import hashed names."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # it has no types
    support_js_module_import_aggregation = True
    # A pass resolves one level of imports; the default of 5 is too few. `collectstatic` ends with the last change.
    max_post_process_passes = 30
