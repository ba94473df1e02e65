"""Undoes the Content-Encoding of a response (RFC 9110, section 8.4), never beyond a size: no decompression bombs."""

import zlib
from collections.abc import Callable

import brotli
import zstandard
from django.template.defaultfilters import filesizeformat

from documents.errors import NotFetched

_PIECE = 64 * 1024
_MAX_CODINGS = 3
_ZSTD_WINDOW_BYTES = 8 * 1024**2  # the largest that a client must support: RFC 9659
_UNCHANGED = {"", "identity", "none", "utf-8", "binary", "8bit"}  # the last four are servers' mistakes


def decompress(body: bytes, content_encoding: str, limit: int) -> bytes:
    """Return the body without its codings, the last of which was applied last.

    content_encoding: the header, such as "gzip" or "deflate, br".
    Raises NotFetched if the body is damaged, exceeds the limit, or has a coding that we do not know.
    """
    codings = [each.strip() for each in content_encoding.lower().split(",")]
    codings = [each for each in codings if each not in _UNCHANGED]
    unknown = next((each for each in codings if each not in _DECODERS), None)
    if unknown or len(codings) > _MAX_CODINGS:
        raise NotFetched(f"The server compresses it in a way we did not ask for ({content_encoding[:20]}).")
    for coding in reversed(codings):
        body = _decode(coding, body, limit)
    return body


def gunzip(data: bytes, limit: int) -> bytes:
    """Return the decompressed bytes. Raises NotFetched if they are damaged or exceed the limit."""
    return _decode("gzip", data, limit)


def too_big(limit: int) -> str:
    return f"It is larger than {filesizeformat(limit)}, the most that Ragsite reads."


def _decode(coding: str, body: bytes, limit: int) -> bytes:
    try:
        decoded = _DECODERS[coding](body, limit + 1) if body else b""
    except (zlib.error, brotli.error, zstandard.ZstdError) as error:
        raise NotFetched("The server's compressed data is damaged.", retryable=True) from error
    except EOFError as error:
        raise NotFetched("The server's compressed data ends too early.", retryable=True) from error
    if len(decoded) > limit:
        raise NotFetched(too_big(limit))
    return decoded


# Each decoder returns at most `most` bytes. It raises EOFError if the data ends before the stream does.


def _gunzip(body: bytes, most: int) -> bytes:
    """Decompress all members. Ignore padding and other bytes behind them, as browsers do."""
    decoded = bytearray()
    while body.startswith(b"\x1f\x8b") or not decoded:
        unpacker = zlib.decompressobj(wbits=31)
        decoded += unpacker.decompress(body, most - len(decoded))
        if len(decoded) >= most:
            break
        if not unpacker.eof:
            raise EOFError
        if not (body := unpacker.unused_data):
            break
    return bytes(decoded)


def _inflate(body: bytes, most: int) -> bytes:
    """Decompress zlib's format, or the raw format that some servers send for it."""
    try:
        return _inflate_as(zlib.MAX_WBITS, body, most)
    except zlib.error:
        return _inflate_as(-zlib.MAX_WBITS, body, most)


def _inflate_as(window_bits: int, body: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj(window_bits)
    decoded = unpacker.decompress(body, most)
    if len(decoded) < most and not unpacker.eof:
        raise EOFError
    return decoded


def _unbrotli(body: bytes, most: int) -> bytes:
    unpacker = brotli.Decompressor()
    decoded = bytearray(unpacker.process(body, output_buffer_limit=_PIECE))
    while len(decoded) < most and not unpacker.is_finished():
        if unpacker.can_accept_more_data():
            raise EOFError
        decoded += unpacker.process(b"", output_buffer_limit=_PIECE)
    return bytes(decoded[:most])


def _unzstd(body: bytes, most: int) -> bytes:
    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    with unpacker.stream_reader(body, read_across_frames=True) as reader:
        decoded = reader.read(most)
    if len(decoded) < most:  # small enough to decompress again: the reader does not tell where it stopped
        whole = unpacker.decompressobj()
        whole.decompress(body)
        if not whole.eof:
            raise EOFError
    return decoded


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
