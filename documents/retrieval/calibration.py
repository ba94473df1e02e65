"""Calibrates the relevance floor: the similarity below which a workspace's chunks are not about a question.

Every embedding model has its own scale: 0.3 can mean near for one model, and 0.85 can mean far for another.
So calibration searches each workspace for everyday questions, which it can hardly answer, and sets the floor
one spread above the median of their best scores. A workspace that does answer some of these questions changes
the median and the spread only a little. docs/adr/0022-relevance.md has the figures.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from statistics import median

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from inference.connect import open_embedder
from inference.errors import InferenceError
from inference.types import EndpointSpec, Vector
from models_registry.errors import SecretMissing
from workspaces.engines import engine_for
from workspaces.errors import EngineError
from workspaces.models import Workspace

from .calibration_questions import EVERYDAY

logger = logging.getLogger(__name__)

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
        except (InferenceError, SecretMissing, EngineError) as error:
            logger.warning("Workspace %s could not be calibrated: %s", workspace.pk, error)


def due() -> QuerySet[Workspace]:
    has_grown = Q(chunk_count__gt=0, chunk_count__gte=2 * F("calibrated_chunks"))
    is_long_ago = Q(calibrated_at=None) | Q(calibrated_at__lt=Now() - AGAIN_AFTER)
    return Workspace.objects.filter(has_grown, is_long_ago)


def calibrate(workspace: Workspace) -> None:
    """Measure and store the floor. With several languages, take the lowest.

    Raises InferenceError, SecretMissing, EngineError.
    """
    languages = {language if language in EVERYDAY else "en" for language in workspace.languages}
    floors = [_floor(workspace, EVERYDAY[language]) for language in languages]
    # The filter skips the write if the workspace switched to another index in the meantime.
    Workspace.objects.filter(pk=workspace.pk, index_number=workspace.index_number).update(
        relevance_floor=min(floors), calibrated_chunks=workspace.chunk_count
    )


def _floor(workspace: Workspace, questions: Sequence[str]) -> float:
    vectors = asyncio.run(_embed(workspace.embedder.spec(), questions))
    engine = engine_for(workspace)
    nearest = [found[0].score for vector in vectors if (found := engine.search_dense(vector, 1))]
    middle = median(nearest)
    return middle + _DEVIATIONS * median(abs(score - middle) for score in nearest)


async def _embed(spec: EndpointSpec, questions: Sequence[str]) -> list[Vector]:
    async with open_embedder(spec) as embedder:
        return (await embedder.embed(questions, "query")).vectors
