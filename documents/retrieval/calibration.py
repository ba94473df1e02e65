"""Finds out below which similarity a workspace's chunks are not about a question.

Every embedding model has a scale of its own: what one calls 0.3 and near, another calls 0.85 and far. So it is
measured, for each workspace: everyday questions, which it hardly answers, are searched in it, and the floor lies
one spread above the middle of what they find. A workspace that answers some of them moves neither by much.
docs/adr/0022-relevance.md has the figures.
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

AGAIN_AFTER = timedelta(minutes=1)  # at the earliest
_DEVIATIONS = 1.4826  # of a normal distribution's median absolute deviation, in its standard deviation


def calibrate_due() -> None:
    """Calibrate the workspaces that never were, or have twice as many chunks as then."""
    for workspace in due().select_related("embedder"):
        claimed = due().filter(pk=workspace.pk).update(calibrated_at=Now())
        if not claimed:
            continue
        try:
            calibrate(workspace)
        except (InferenceError, SecretMissing, EngineError) as error:
            logger.warning("Workspace %s is not calibrated: %s", workspace.pk, error)


def due() -> QuerySet[Workspace]:
    has_grown = Q(chunk_count__gt=0, chunk_count__gte=2 * F("calibrated_chunks"))
    is_long_ago = Q(calibrated_at=None) | Q(calibrated_at__lt=Now() - AGAIN_AFTER)
    return Workspace.objects.filter(has_grown, is_long_ago)


def calibrate(workspace: Workspace) -> None:
    """Measure and keep the floor. Of several languages the lowest counts.

    Raises InferenceError, SecretMissing, EngineError.
    """
    languages = {language if language in EVERYDAY else "en" for language in workspace.languages}
    floors = [_floor(workspace, EVERYDAY[language]) for language in languages]
    # Unless another index answers by now.
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
