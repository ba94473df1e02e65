"""Storage of files in a local directory."""

import os
from contextlib import suppress
from typing import Any

from django.core.files.storage import FileSystemStorage


class Files(FileSystemStorage):
    def _save(self, name: str, content: Any) -> str:
        """Store a file. If the disk is full, leave no half of it behind."""
        is_new = not os.path.lexists(self.path(name))
        try:
            return str(super()._save(name, content))  # type: ignore[misc]
        except OSError:
            if is_new:
                with suppress(OSError):
                    os.unlink(self.path(name))
            raise
