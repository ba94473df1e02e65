"""An S3 on loopback: moto's server speaks its wire protocol. It does not check signatures or POST policies."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from django.conf import settings
from django.test import override_settings
from moto.server import ThreadedMotoServer

BUCKET = "documents"


@contextmanager
def serving() -> Iterator[str]:
    """Yield the address of a server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def bucket_at(url: str) -> Iterator[Any]:
    """Yield boto3's view of an empty bucket, with the site configured to keep its files there."""
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    bucket = boto3.resource("s3", endpoint_url=url, region_name="us-east-1", **keys).create_bucket(
        Bucket=BUCKET
    )
    options = {
        "bucket_name": BUCKET, "endpoint_url": url, "region_name": "us-east-1", "addressing_style": "path",
        "signature_version": "s3v4", "file_overwrite": False, "access_key": "testing", "secret_key": "testing",
    }  # fmt: skip
    storages = settings.STORAGES | {"default": {"BACKEND": "ragsite.storage.S3", "OPTIONS": options}}
    with override_settings(STORAGES=storages, S3_BUCKET=BUCKET, S3_EVENT_SECRET="swordfish"):
        yield bucket
    bucket.objects.all().delete()
