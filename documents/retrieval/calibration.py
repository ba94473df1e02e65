"""Calibrates the relevance floor: the similarity below which a workspace's chunks are not about a question.

Every embedding model has its own scale: 0.3 can mean near for one model, and 0.85 can mean far for another.
So calibration searches each workspace for everyday questions, which it can hardly answer, and sets the floor
one spread above the median of their best scores. A workspace that does answer some of these questions changes
the median and the spread only a little. docs/adr/0022-relevance.md has the figures.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from statistics import StatisticsError, median

from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now

from core.waiting import wait_for
from inference.connect import open_embedder
from inference.errors import InferenceError
from inference.types import EndpointSpec, Vector
from models_registry.errors import EndpointError
from workspaces.engines import engine_for
from workspaces.errors import EngineError
from workspaces.languages import AUTO
from workspaces.models import Workspace

from .calibration_questions import everyday_questions

logger = logging.getLogger(__name__)

MAX_LANGUAGES = 3  # of a workspace that detects them
AGAIN_AFTER = timedelta(minutes=1)  # between two calibrations of a workspace, at least
_DEVIATIONS = 1.4826  # standard deviations per median absolute deviation, in a normal distribution


def calibrate_due() -> None:
    """Calibrate each workspace that never was, or has at least twice as many chunks as at its calibration."""
    for workspace in due().select_related("embedder"):
        claimed = due().filter(pk=workspace.pk).update(calibrated_at=Now())
        if not claimed:
            continue
        try:
            calibrate(workspace)
        except (InferenceError, EndpointError, EngineError, StatisticsError) as error:
            logger.warning("Workspace %s could not be calibrated: %s", workspace.pk, error)


def due() -> QuerySet[Workspace]:
    has_grown = Q(chunk_count__gt=0, chunk_count__gte=2 * F("calibrated_chunks"))
    is_long_ago = Q(calibrated_at=None) | Q(calibrated_at__lt=Now() - AGAIN_AFTER)
    return Workspace.objects.filter(has_grown, is_long_ago, deleted_at=None)


def calibrate(workspace: Workspace) -> None:
    """Measure and store the floor of each language, and the lowest of them.

    Raises InferenceError, EndpointError, EngineError.
    """
    floors = {language: _floor(workspace, everyday_questions(language)) for language in _languages(workspace)}
    # The filter skips the write if the workspace switched to another index in the meantime.
    Workspace.objects.filter(pk=workspace.pk, index_number=workspace.index_number).update(
        relevance_floor=min(floors.values()),
        relevance_floors=floors,
        calibrated_chunks=workspace.chunk_count,
    )


def _languages(workspace: Workspace) -> Sequence[str]:
    """Return the languages of the workspace; if they are detected, the most common ones of its documents."""
    if AUTO not in workspace.languages:
        return list(workspace.languages)
    known = workspace.documents.exclude(language=AUTO).values_list("language", flat=True)
    return list(known.annotate(count=Count("pk")).order_by("-count")[:MAX_LANGUAGES]) or ["en"]


def _floor(workspace: Workspace, questions: Sequence[str]) -> float:
    vectors = wait_for(_embed, None)(workspace.embedder.spec(), questions)
    engine = engine_for(workspace)
    nearest = [found[0].score for vector in vectors if (found := engine.search_dense(vector, 1))]
    middle = median(nearest)
    return middle + _DEVIATIONS * median(abs(score - middle) for score in nearest)


async def _embed(spec: EndpointSpec, questions: Sequence[str]) -> list[Vector]:
    async with open_embedder(spec) as embedder:
        return (await embedder.embed(questions, "query")).vectors
