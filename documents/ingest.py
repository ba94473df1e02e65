"""Makes one document searchable, or says why not. Safe to repeat, and to kill at any point.

extract -> sections -> chunk -> embed in batches -> publish. Each batch is staged where no search sees it,
in one transaction with its row in the ledger; a repetition embeds only what has no vector yet. Publishing
swaps the old chunks and sections for the new ones in one transaction, so a searcher sees either.
"""

import asyncio
import hashlib
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from uuid import UUID

from django.db import DatabaseError
from django.db.models import F

from inference.connect import open_embedder
from inference.errors import InferenceError, RateLimited
from inference.types import EndpointSpec
from models_registry.secrets import SecretMissing
from workspaces.engines import NewChunk, WrongDimensions, engine_for
from workspaces.models import Workspace

from .chunking import CHUNKERS, Embed
from .claims import Claim, Superseded, take
from .extract import Extraction, ParserGone, Unreadable, Unwanted, extract
from .models import BatchEntry, Document, Section

log = logging.getLogger(__name__)

BATCH = 64  # chunks per call of the model, and per transaction: what a killed worker can lose


def ingest(document_id: UUID) -> None:
    """Take the document if it is due and free, and work on it until it is ready, failed or postponed."""
    claim = take(document_id)
    if claim is None:
        return
    started = time.monotonic()
    with suppress(Superseded, Unwanted), claim.kept_alive():
        try:
            _work(claim)
        except (Superseded, Unwanted):
            log.info("Document %s: another worker has it now, or it was deleted.", document_id)
        except Exception as error:
            _settle(claim, error)
        except BaseException:  # Ctrl-C, or the worker is told to leave
            with suppress(Superseded):
                claim.release()
            raise
        else:
            log.info("Document %s is ready after %.1f s.", document_id, time.monotonic() - started)


def _work(claim: Claim) -> None:
    extraction = _extract(claim)
    with _embedder(claim.document.workspace.embedder.spec()) as embed:
        chunks = _chunk(claim, extraction, embed)
        _embed(claim, chunks, embed)
    _publish(claim, extraction, len(chunks))


def _settle(claim: Claim, error: Exception) -> None:
    """Turn what went wrong into a state and a sentence: trying again may help, or it will not."""
    log.warning("Document %s: %s: %s", claim.document.pk, type(error).__name__, error)
    match error:
        case Unreadable():
            claim.fail(str(error))
        case ParserGone():
            claim.postpone(str(error))
        case WrongDimensions() | SecretMissing() | InferenceError(retryable=False):
            claim.fail(f"Embedding failed. {error}")
        case RateLimited():
            claim.postpone(f"Embedding failed. {error}", error.retry_after_s or 0)
        case InferenceError():
            claim.postpone(f"Embedding failed. {error}")
        case DatabaseError():
            with suppress(DatabaseError):  # still away: the lease runs out, and somebody takes over
                claim.postpone("The database did not do what it was asked.")
        case _:
            log.error("Document %s: unexpected.", claim.document.pk, exc_info=error)
            claim.postpone(
                f"Something unexpected went wrong ({type(error).__name__}); the worker's log has more."
            )


# --- the stages ---------------------------------------------------------------------------------


def _extract(claim: Claim) -> Extraction:
    document = claim.document
    with claim.stage(Document.Stage.EXTRACT) as step, _on_disk(document) as path:
        found = extract(
            path,
            document.media_type,
            document.workspace.parser,
            languages=[document.language] if document.is_language_chosen else document.workspace.languages,
            still_wanted=lambda: not claim.is_lost.is_set(),
        )
        step.detail |= {
            "parser": f"{found.parser} {found.parser_version}",
            "sections": len(found.sections),
            "pages": found.page_count,
            "characters": found.character_count,
            "pages recognised": found.recognised_pages or None,
            "pages without text": found.unread_pages or None,
        }
    if not document.is_language_chosen and found.language:
        document.language = found.language
    return found


@contextmanager
def _on_disk(document: Document) -> Iterator[Path]:
    """Yield a local copy, wherever the original is stored."""
    with tempfile.NamedTemporaryFile(prefix="ragsite-") as copy:
        try:
            with document.file.open("rb") as original:
                shutil.copyfileobj(original, copy)
        except FileNotFoundError as error:
            raise Unreadable(
                "Its file is gone from the storage. Delete the document, and add it again."
            ) from error
        copy.flush()
        yield Path(copy.name)


def _chunk(claim: Claim, extraction: Extraction, embed: Embed) -> list[NewChunk]:
    document, workspace, sections = claim.document, claim.document.workspace, extraction.sections
    with claim.stage(Document.Stage.CHUNK) as step:
        cut = CHUNKERS[workspace.chunking](sections, workspace.chunk_size, workspace.chunk_overlap, embed)
        step.detail["chunks"] = len(cut)
    return [
        NewChunk(
            ordinal=ordinal,
            text=chunk.text,
            content_hash=_content_hash(workspace, chunk.embedded or chunk.text),
            embedded=chunk.embedded or chunk.text,
            section=chunk.section,
            start=chunk.start,
            end=chunk.end,
            language=document.language,
            title_path=sections[chunk.section].title_path,
            page=sections[chunk.section].page,
        )
        for ordinal, chunk in enumerate(cut)
    ]


def _content_hash(workspace: Workspace, text: str) -> bytes:
    embedder = workspace.embedder
    return hashlib.sha256(
        f"{embedder.provider}\0{embedder.model}\0{workspace.dimensions}\0{text}".encode()
    ).digest()


def _embed(claim: Claim, chunks: Sequence[NewChunk], embed: Embed) -> None:
    document, workspace = claim.document, claim.document.workspace
    engine = engine_for(workspace)
    with claim.stage(Document.Stage.EMBED) as step:
        with claim.guarded(progress_total=len(chunks)):
            known = engine.embedded_hashes(document.pk)
        is_repetition = bool(known)
        for number, first in enumerate(range(0, len(chunks), BATCH)):
            batch = chunks[first : first + BATCH]
            started = time.monotonic()
            if is_repetition:  # a batch may have replaced the only chunk that had some text's vector
                known = engine.embedded_hashes(document.pk)
            fresh = {chunk.content_hash: chunk.embedded for chunk in batch if chunk.content_hash not in known}
            vectors = dict(zip(fresh, embed(list(fresh.values())) if fresh else (), strict=True))
            with claim.guarded(progress_done=first + len(batch)):
                engine.stage(document.pk, batch, [vectors.get(chunk.content_hash) for chunk in batch])
                _note_batch(document, number, batch, len(fresh), time.monotonic() - started)
            known |= fresh.keys()
            step.detail["embedded"] = step.detail.get("embedded", 0) + len(fresh)


@contextmanager
def _embedder(spec: EndpointSpec) -> Iterator[Embed]:
    """Yield a plain function around an async model: between its calls no loop runs, so the database may be used."""
    with asyncio.Runner() as runner:
        opened = AsyncExitStack()
        model = runner.run(opened.enter_async_context(open_embedder(spec)))
        try:
            yield lambda texts: runner.run(model.embed(texts, "passage"))
        finally:
            runner.run(opened.aclose())


def _note_batch(
    document: Document, number: int, batch: Sequence[NewChunk], embedded: int, took_s: float
) -> None:
    BatchEntry.objects.create(
        document=document,
        attempt=document.attempt,
        ordinal=number,
        content_sha256=hashlib.sha256(b"".join(chunk.content_hash for chunk in batch)).hexdigest(),
        chunk_count=len(batch),
        embedded_count=embedded,
        took_ms=round(took_s * 1000),
    )


def _publish(claim: Claim, extraction: Extraction, chunk_count: int) -> None:
    document = claim.document
    with claim.stage(Document.Stage.PUBLISH) as step, claim.guarded():
        engine_for(document.workspace).publish(document.pk, chunk_count)
        document.sections.all().delete()
        Section.objects.bulk_create(
            Section(
                document=document,
                position=position,
                text=section.text,
                title_path=list(section.title_path),
                page=section.page,
            )
            for position, section in enumerate(extraction.sections)
        )
        Workspace.objects.filter(pk=document.workspace_id).update(
            chunk_count=F("chunk_count") + chunk_count - document.chunk_count
        )
        step.close()  # in this transaction: a document that is ready has no open stage
        claim.finish(
            chunk_count=chunk_count,
            page_count=extraction.page_count,
            character_count=extraction.character_count,
            language=document.language,
        )
