"""Where a backup lies: a directory, or a prefix of a bucket. Everything passes as a stream."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

from django.conf import settings

from ragsite.errors import BackupError

from . import manifest

_MEGABYTE = 2**20


class Measured:
    """A stream that counts and hashes what is read from it."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._digest = source, hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._digest.update(data)
        self.size_bytes += len(data)
        return data

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def drain(self) -> None:
        while self.read(_MEGABYTE):
            pass


class Place(Protocol):
    def begin(self) -> None:
        """Prepare a new backup. Raises BackupError if something is there already."""

    def write(self, name: str, source: Measured) -> None:
        """Store an object."""

    def read(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Yield an object as a stream. Raises FileNotFoundError."""

    def complete(self) -> None:
        """Make the backup visible under its name, after the manifest was written."""

    def abandon(self) -> None:
        """Remove a backup that was begun and failed, as far as it is in the way."""


def place_at(address: str) -> Place:
    """Return the place: a path, or s3://BUCKET/PREFIX. Raises BackupError."""
    if not address.startswith("s3://"):
        return Directory(Path(address).expanduser().resolve())
    parts = urlsplit(address)
    if not parts.netloc or not parts.path.strip("/"):
        raise BackupError("Write s3://BUCKET/PREFIX, with a prefix of its own for each backup.")
    return Bucket(parts.netloc, parts.path.strip("/"))


class Directory:
    def __init__(self, path: Path) -> None:
        self._path, self._attempt = path, path.parent / f"{path.name}.partial"
        self._root = path

    def __str__(self) -> str:
        return str(self._path)

    def begin(self) -> None:
        if self._path.exists() and (not self._path.is_dir() or any(self._path.iterdir())):
            raise BackupError(f"{self._path} is there already: name a new directory for each backup.")
        if self._path.is_mount():  # the attempt, which is next to it, would be on another disk
            raise BackupError(f"{self._path} is a whole disk: name a new directory on it.")
        self.abandon()
        try:
            self._attempt.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise BackupError(f"{self._attempt} cannot be created: {error.strerror}.") from error
        self._root = self._attempt

    def write(self, name: str, source: Measured) -> None:
        path = self._root / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
            shutil.copyfileobj(source, file, _MEGABYTE)

    @contextmanager
    def read(self, name: str) -> Iterator[IO[bytes]]:
        with (self._root / name).open("rb") as file:
            yield file

    def complete(self) -> None:
        os.sync()  # the data reaches the disk before the name does
        if self._path.exists():
            self._path.rmdir()
        self._attempt.rename(self._path)
        self._root = self._path

    def abandon(self) -> None:
        """Remove what an attempt left, this one or one that was killed: its name ends in `.partial`."""
        shutil.rmtree(self._attempt, ignore_errors=True)

    def free_bytes(self) -> int:
        parent = next(path for path in (self._path, *self._path.parents) if path.exists())
        return shutil.disk_usage(parent).free


class Bucket:
    """A prefix of a bucket. Credentials and the server's address are those of the storage of files."""

    def __init__(self, bucket: str, prefix: str) -> None:
        # Imported only here: it takes a third of a second.
        import boto3  # noqa: PLC0415
        from boto3.s3.transfer import TransferConfig  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        self._bucket, self._prefix = bucket, prefix
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=settings.S3_ENDPOINT or None,
            region_name=settings.S3_REGION,
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
        )
        # 10,000 parts are the limit: enough for 320 GB, in 100 MB of memory
        self._transfer = TransferConfig(multipart_chunksize=32 * _MEGABYTE, max_concurrency=2)

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    def begin(self) -> None:
        with _in_our_words(self):
            if "Contents" in self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=self._key(manifest.NAME), MaxKeys=1
            ):
                raise BackupError(f"{self} holds a backup already: name a new prefix for each backup.")

    def write(self, name: str, source: Measured) -> None:
        with _in_our_words(self):
            self._client.upload_fileobj(source, self._bucket, self._key(name), Config=self._transfer)

    @contextmanager
    def read(self, name: str) -> Iterator[IO[bytes]]:
        with _in_our_words(self):
            body = self._client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"]
            try:
                yield body
            finally:
                body.close()

    def complete(self) -> None:
        """Do nothing: the manifest was the last object."""

    def abandon(self) -> None:
        """Do nothing: without its manifest, what was written is no backup, and the next attempt replaces it."""

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}"


@contextmanager
def _in_our_words(place: Bucket) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
            raise FileNotFoundError(str(place)) from error
        raise BackupError(f"{place}: the bucket replied: {error}") from error
    except BotoCoreError as error:
        raise BackupError(f"{place} cannot be used: {error}") from error
