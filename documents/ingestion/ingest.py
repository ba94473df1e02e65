"""Ingests one document: makes it searchable, or says why not. Idempotent, and safe to kill at any point.

extract -> sections -> (summarise) -> chunk -> embed in batches -> publish. Each batch is a checkpoint: it is
staged where no search sees it, in one transaction with its row in the ledger. A repetition embeds only chunks
without a vector. Publishing swaps the old chunks and sections for the new ones in one transaction, so a
search sees either version, never a mix.

The same pipeline fills an index that is being built, with sections, chunks and tables of its own.
"""

import asyncio
import hashlib
import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from uuid import UUID

from django.core.files import File
from django.db import DatabaseError, transaction
from django.db.models import F

from core.errors import DomainError
from core.leases import Superseded
from core.waiting import wait_for
from documents.chunking import CHUNKERS, Embed, questions
from documents.errors import ParserGone, Unreadable, Unwanted
from documents.fields.metadata import COLUMNS, fill_from_file, indexed_metadata
from documents.models import BatchEntry, Document, LedgerEntry, ReindexItem, Section, Work
from documents.parsing.confinement import scratch
from documents.parsing.media_types import HTML
from inference.connect import open_embedder
from inference.errors import InferenceError, Rejected
from inference.types import Vector
from models_registry import identity
from models_registry.errors import EndpointError
from models_registry.models import Endpoint
from workspaces.engines import IndexedMetadata, NewChunk, engine_for
from workspaces.errors import WrongDimensions
from workspaces.metadata_schema import FieldDefinition, lock_fields
from workspaces.models import Workspace

from .claims import Claim, claim_work
from .document_summary import summarise
from .endpoint_waits import MAX_RESUMPTIONS, is_surely_endpoint
from .extract import Extraction, extract

log = logging.getLogger(__name__)

_VERIFIED_FOR_S = 30.0  # each document verifies its model before its first batch, and then again
BATCH = 64  # chunks per call of the model and per transaction: the most that a killed worker loses


def ingest(document_id: UUID) -> None:
    """Claim the document if it is due and free, and work on it until it is ready, failed or postponed."""
    _complete(claim_work(document_id))


def ingest_item(item_id: int) -> None:
    """Do the same for an item of the index that is being built."""
    _complete(claim_work(item_id, ReindexItem))


def _complete(claim: Claim | None) -> None:
    if claim is None:
        return
    started = time.monotonic()
    with suppress(Superseded, Unwanted), claim.keep_alive():
        try:
            _work(claim)
        except (Superseded, Unwanted):
            log.info("%s: another worker has it now, or it was deleted.", claim)
        except Exception as error:
            _settle(claim, error)
        except BaseException:  # Ctrl-C, or the worker is told to stop
            with suppress(Superseded):
                claim.release()
            raise
        else:
            log.info("%s is ready after %.1f s.", claim, time.monotonic() - started)


def _work(claim: Claim) -> None:
    extraction = _extract(claim)
    summary = _summarise(claim, extraction)
    with _embedder(claim.workspace.embedder) as embed:
        chunks = _chunk(claim, extraction, embed)
        _embed(claim, chunks, embed)
        vector = embed([summary])[0] if summary else None
    _publish(claim, extraction, len(chunks), summary, vector)


def _settle(claim: Claim, error: Exception) -> None:
    """Fail or postpone the work, depending on whether a retry may help, with a sentence for people."""
    log.warning("%s: %s: %s", claim, type(error).__name__, error)
    match error:
        case Unreadable():
            claim.fail(str(error))
        case ParserGone():
            claim.postpone(str(error))
        case Rejected():
            claim.fail(f"Embedding failed. {error}")
        case WrongDimensions() | EndpointError() | InferenceError():
            _settle_endpoint(claim, error)
        case DatabaseError():
            with suppress(DatabaseError):  # still down: the lease expires, and a worker takes over
                claim.postpone("A database operation failed.")
        case _:
            log.error("%s: unexpected.", claim, exc_info=error)
            claim.postpone(
                f"An unexpected error occurred ({type(error).__name__}); the worker's log has more."
            )


def _settle_endpoint(claim: Claim, error: DomainError | InferenceError) -> None:
    """Retry the work soon, or let it wait until its endpoint is well again."""
    reason, resumptions = f"Embedding failed. {error}", claim.work.resumptions
    if error.retryable and not claim.is_last_attempt:
        claim.postpone(reason, getattr(error, "retry_after_s", 0) or 0)
        return
    if error.retryable:
        reason += f" It was tried {Work.MAX_ATTEMPTS} times."
    if is_surely_endpoint(error):
        claim.wait_for(claim.workspace.embedder, reason, resumptions=resumptions)
    elif resumptions < MAX_RESUMPTIONS:
        claim.wait_for(claim.workspace.embedder, reason, resumptions=resumptions + 1)
    else:
        claim.fail(
            f"{reason} The endpoint was well in between, so the document may be the cause. Check both, then retry."
        )


# --- the stages ---------------------------------------------------------------------------------


def _extract(claim: Claim) -> Extraction:
    document = claim.document
    with claim.stage(Work.Stage.EXTRACT) as step, _on_disk(document) as path:
        found = extract(
            path,
            document.media_type,
            _parser(document, claim.workspace),
            languages=document.reading_languages(claim.workspace),
            still_wanted=lambda: not claim.is_lost,
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


def _parser(document: Document, workspace: Workspace) -> str:
    """Return the parser: the one for files would keep the menus and banners around the text of web pages."""
    is_from_the_web = document.kind in (Document.Kind.PAGE, Document.Kind.POST)
    return "web" if is_from_the_web and document.media_type == HTML.name else workspace.parser


@contextmanager
def _on_disk(document: Document) -> Iterator[Path]:
    """Yield the path of the original, or of a copy if the storage has no local files."""
    try:
        path = Path(document.file.path)
    except NotImplementedError:  # the storage has no local paths
        with scratch() as folder:
            path = folder / "original"
            with _original(document) as original, path.open("wb") as copy:
                shutil.copyfileobj(original, copy)
            yield path
    else:
        _original(document).close()
        yield path


def _original(document: Document) -> File[bytes]:
    try:
        return document.file.open("rb")
    except FileNotFoundError as error:
        raise Unreadable(
            "The file is missing from the storage. Add the same file again, or delete the document."
        ) from error


def _chunk(claim: Claim, extraction: Extraction, embed: Embed) -> list[NewChunk]:
    document, workspace, sections = claim.document, claim.workspace, extraction.sections
    with claim.stage(Work.Stage.CHUNK) as step:
        chunk = questions if document.kind == Document.Kind.QA else CHUNKERS[workspace.chunking]
        cut = chunk(sections, workspace.chunk_size, workspace.chunk_overlap, embed)
        step.detail["chunks"] = len(cut)
    return [
        NewChunk(
            ordinal=ordinal,
            text=chunk.text,
            content_hash=_content_hash(workspace, chunk.embedded or chunk.text),
            embedded=chunk.embedded or chunk.text,
            name=document.title,
            section=chunk.section,
            start=chunk.start,
            end=chunk.end,
            title_path=sections[chunk.section].title_path,
            page=sections[chunk.section].page,
        )
        for ordinal, chunk in enumerate(cut)
    ]


def _summarise(claim: Claim, extraction: Extraction) -> str:
    """Return a model's summary, or "" if there is none: a document is searchable without a summary."""
    model = claim.workspace.summarizer
    if model is None:
        return ""
    if isinstance(claim.work, ReindexItem) and claim.document.summary:
        return claim.document.summary  # of the same text
    with claim.stage(Work.Stage.SUMMARISE) as step:
        try:
            return wait_for(summarise, None)(model, extraction.sections)
        except (InferenceError, EndpointError) as error:
            log.warning("%s: no summary: %s", claim, error)
            step.close(LedgerEntry.Outcome.FAILED, error=str(error))
            return ""


_HASHED_AS = {"container": "sagemaker_contract"}  # the old name, so that existing vectors keep their hashes


def _content_hash(workspace: Workspace, text: str) -> bytes:
    embedder = workspace.embedder
    provider = _HASHED_AS.get(embedder.provider, embedder.provider)
    return hashlib.sha256(f"{provider}\0{embedder.model}\0{workspace.dimensions}\0{text}".encode()).digest()


def _embed(claim: Claim, chunks: Sequence[NewChunk], embed: Embed) -> None:
    document_id, engine = claim.document.pk, engine_for(claim.workspace)
    with claim.stage(Work.Stage.EMBED, progress_total=len(chunks)) as step:
        known: set[bytes] = set() if claim.is_first else engine.embedded_hashes(document_id)
        is_repetition = bool(known)
        for number, first in enumerate(range(0, len(chunks), BATCH)):
            batch = chunks[first : first + BATCH]
            started = time.monotonic()
            if is_repetition:  # a batch may have replaced the only chunk that had some text's vector
                known = engine.embedded_hashes(document_id)
            fresh = {chunk.content_hash: chunk.embedded for chunk in batch if chunk.content_hash not in known}
            vectors = _in_the_live_index(claim, fresh)
            missing = {key: text for key, text in fresh.items() if key not in vectors}
            vectors |= zip(missing, embed(list(missing.values())) if missing else (), strict=True)
            with claim.hold_row(progress_done=first + len(batch)):
                engine.stage(document_id, batch, [vectors.get(chunk.content_hash) for chunk in batch])
                _note_batch(claim, number, batch, len(missing), time.monotonic() - started)
            known |= fresh.keys()
            step.detail["embedded"] = step.detail.get("embedded", 0) + len(missing)


def _in_the_live_index(claim: Claim, texts: Mapping[bytes, str]) -> dict[bytes, Vector]:
    """Return the vectors that the current index already has for a document of the index that is being built."""
    work = claim.work
    if isinstance(work, ReindexItem):
        live = work.reindex.workspace
        if identity.is_same_model(live.embedder, claim.workspace.embedder):
            return engine_for(live).embeddings(claim.document.pk, texts)
    return {}


@contextmanager
def _embedder(endpoint: Endpoint) -> Iterator[Embed]:
    """Yield a sync function around an async model. It raises OtherModel if that is not the endpoint's own.

    No event loop runs between its calls, so the ORM may be used.
    """
    verified_at = -_VERIFIED_FOR_S

    def embed(texts: list[str]) -> list[Vector]:
        nonlocal verified_at
        if time.monotonic() - verified_at >= _VERIFIED_FOR_S:
            identity.verify(endpoint, embed_unverified)
            verified_at = time.monotonic()
        return embed_unverified(texts)

    def embed_unverified(texts: Sequence[str]) -> list[Vector]:
        return runner.run(model.embed(list(texts), "passage")).vectors

    with asyncio.Runner() as runner:
        opened = AsyncExitStack()
        model = runner.run(opened.enter_async_context(open_embedder(endpoint.spec())))
        try:
            yield embed
        finally:
            runner.run(opened.aclose())


def _note_batch(claim: Claim, number: int, batch: Sequence[NewChunk], embedded: int, took_s: float) -> None:
    BatchEntry.objects.create(
        ordinal=number,
        content_sha256=hashlib.sha256(b"".join(chunk.content_hash for chunk in batch)).hexdigest(),
        chunk_count=len(batch),
        embedded_count=embedded,
        took_ms=round(took_s * 1000),
        **claim.entry(),
    )


def _publish(
    claim: Claim, extraction: Extraction, chunk_count: int, summary: str, vector: Vector | None
) -> None:
    document = claim.document
    with claim.stage(Work.Stage.PUBLISH) as step, transaction.atomic():
        known = lock_fields(claim.workspace)
        claim.finish(  # after the fields: it locks the document's row, or raises Superseded
            chunk_count=chunk_count,
            page_count=extraction.page_count,
            character_count=extraction.character_count,
            reading=extraction.report(),
            summary=summary,
            language=document.language,
        )
        facts = _update_metadata(claim, extraction, known)
        engine_for(claim.workspace).publish(document.pk, chunk_count, vector, facts)
        _replace_sections(claim, extraction)
        if claim.work is document:
            Workspace.objects.filter(pk=document.workspace_id).update(
                chunk_count=F("chunk_count") + chunk_count - document.chunk_count,
            )
        step.close()  # in this transaction: a ready document has no open stage


def _update_metadata(
    claim: Claim, extraction: Extraction, known: Mapping[str, FieldDefinition]
) -> IndexedMetadata:
    """Fill the fields from the file.

    Return the document's metadata, which a user may have changed since the claim.
    """
    now = Document.objects.select_for_update(of=("self",)).get(pk=claim.document.pk)
    if claim.work is claim.document and known:
        fill_from_file(now, extraction.properties, known)
        now.save(update_fields=COLUMNS)
    if not now.is_language_chosen:
        now.language = claim.document.language  # as detected now; a next index may detect another one
    return indexed_metadata(now)


def _replace_sections(claim: Claim, extraction: Extraction) -> None:
    place = {"document": claim.document, "index_number": claim.workspace.index_number}
    Section.every.filter(**place).delete()
    Section.every.bulk_create(
        Section(
            position=position,
            text=section.text,
            title_path=list(section.title_path),
            page=section.page,
            **place,
        )
        for position, section in enumerate(extraction.sections)
    )
