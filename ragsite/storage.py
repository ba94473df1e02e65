"""S3 storage of files.

It is imported only if a bucket is configured: boto3 takes a third of a second to import.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3File, S3Storage

from core.waiting import release_connection


@contextmanager
def _raise_os_errors() -> Iterator[None]:
    """Convert S3 errors to OSError, like other storages: callers do not know which storage they use.

    An object that is not there is a FileNotFoundError.

    The database connection returns to the pool first: a slow bucket must not hold it.
    """
    release_connection()
    try:
        yield
    except (BotoCoreError, ClientError, S3UploadFailedError) as error:
        kind = FileNotFoundError if _is_missing(error) else OSError
        raise kind(f"the bucket replied: {error}") from error


def _is_missing(error: Exception) -> bool:
    # S3 replies to HEAD without a body, so the code is then only "404".
    return isinstance(error, ClientError) and error.response["Error"]["Code"] in ("NoSuchKey", "404")


class _File(S3File):  # type: ignore[misc]  # it has no types
    """A stored file. S3File downloads it at the first read, after `open`: it may be gone by then."""

    def _get_file(self) -> Any:
        with _raise_os_errors():
            return super()._get_file()

    file = property(_get_file, S3File._set_file)


class S3(S3Storage):  # type: ignore[misc]  # it has no types
    def _save(self, name: str, content: Any) -> str:
        """Store a file.

        If it is already in the bucket, the bucket copies it, without a transfer through this process.
        """
        with _raise_os_errors():
            if not isinstance(content, S3File) or content.obj.bucket_name != self.bucket_name:
                return str(super()._save(name, content))
            source = {"Bucket": self.bucket_name, "Key": content.obj.key}
            self.bucket.Object(self._normalize_name(name)).copy_from(CopySource=source)
            return name

    def _open(self, name: str, mode: str = "rb") -> Any:
        with _raise_os_errors():
            return _File(self._normalize_name(name), mode, self)

    def exists(self, name: str) -> bool:
        with _raise_os_errors():
            return bool(super().exists(name))

    def delete(self, name: str) -> None:
        with _raise_os_errors():
            super().delete(name)

    def names(self, folder: str) -> Iterator[str]:
        """See core.files.StoredFiles. S3 lists keys in this order, a thousand at a time."""
        with _raise_os_errors():
            for each in self.bucket.objects.filter(Prefix=f"{folder}/"):
                if not each.key.endswith("/"):  # consoles of S3 servers make empty objects for folders
                    yield each.key

    def move(self, name: str, target: str) -> None:
        with _raise_os_errors():
            if not super().exists(name):
                raise FileNotFoundError(name)
            self.bucket.Object(target).copy_from(CopySource={"Bucket": self.bucket_name, "Key": name})
            super().delete(name)
