"""Storage of static files: hashed names, compressed, with ES modules that import hashed names."""

from collections.abc import Container, Iterator
from fnmatch import fnmatch
from typing import Any

import brotli
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage

BUILT = "vendor/*.js"  # they import nothing, and searching five megabytes for imports takes minutes
LARGE_BYTES = 1_000_000
LARGE_QUALITY = 6  # the best one, 11, takes 14 s for Mermaid, twice, and saves a tenth


class _Compressor(Compressor):  # type: ignore[misc]  # it has no types
    @staticmethod
    def compress_brotli(data: bytes) -> bytes:
        compressed: bytes = brotli.compress(data, quality=LARGE_QUALITY if len(data) > LARGE_BYTES else 11)
        return compressed


class ManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # it has no types
    support_js_module_import_aggregation = True
    # A pass resolves one level of imports; the default of 5 is too few. `collectstatic` ends with the last change.
    max_post_process_passes = 30

    def _post_process(
        self, paths: dict[str, Any], adjustable_paths: Container[str], hashed_files: dict[str, str]
    ) -> Iterator[Any]:
        adjusted = [name for name in paths if name in adjustable_paths and not fnmatch(name, BUILT)]
        for name, *result, is_changed in super()._post_process(paths, adjusted, hashed_files):
            yield name, *result, is_changed and name in adjusted

    def create_compressor(self, **kwargs: Any) -> Compressor:
        return _Compressor(**kwargs)
