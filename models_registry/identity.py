"""Tells whether the embedding model at an address is still the one whose vectors are stored.

A server may run another model under the same name and with as many dimensions. Its vectors do not fit the
stored ones, and nothing else shows it: so the first check keeps the vectors of a few known texts, and later
checks compare. docs/guide/models.md says what the threshold was measured with.
"""

import logging
from collections.abc import Callable, Sequence
from math import sqrt
from statistics import fmean

from inference.types import Vector

from .errors import OtherModel
from .models import Endpoint, ReferenceVectors

log = logging.getLogger(__name__)

TEXTS = (
    "The pump in the east building is serviced every spring.",
    "Rechnungen sind innerhalb von dreißig Tagen zu bezahlen.",
    "12 kg, 340 mm, order 7731 of 2019-05-04",
)
# Of the mean over the texts. Measured with all-MiniLM-L6-v2 against its own float32 weights: float16 1.000,
# bfloat16 0.9999, int8 0.9998, 6 bits 0.997, 5 bits 0.987, 4 bits 0.945; with one layer less 0.45. Models of other
# families are near 0.
LEAST_COSINE = 0.92
Embed = Callable[[Sequence[str]], Sequence[Vector]]


def compare(endpoint: Endpoint, vectors: Sequence[Vector]) -> str:
    """Return why these vectors of all TEXTS are of another model, or "". Record the first ones ever.

    The reference of an endpoint that no workspace uses is replaced: nothing depends on its model.
    """
    kept = _kept(endpoint)
    if endpoint.dimensions not in (None, len(vectors[0])):
        return _difference(endpoint.dimensions or 0, len(vectors[0]))
    if kept and fits(kept, vectors):
        return ""
    if kept and endpoint.is_locked:
        return _difference(len(kept[0]), len(vectors[0]))
    now = {"vectors": [[round(value, 6) for value in vector] for vector in vectors]}
    ReferenceVectors.objects.update_or_create(endpoint=endpoint, defaults=now)
    return ""


def verify(endpoint: Endpoint, embed: Embed) -> None:
    """Embed a known text. Mark the endpoint and raise OtherModel if another model answers.

    embed: embeds passages with this endpoint. Raises InferenceError.
    """
    kept = _kept(endpoint)
    if not kept:
        compare(endpoint, embed(TEXTS))
        return
    vectors = embed(TEXTS[:1])
    if not fits(kept, vectors):
        problem = _difference(len(kept[0]), len(vectors[0]))
        log.error("Endpoint %s: %s", endpoint.pk, problem)
        endpoint.note_other_model(problem)
        raise OtherModel(problem)


def _kept(endpoint: Endpoint) -> Sequence[Vector]:
    found = ReferenceVectors.objects.filter(endpoint=endpoint).values_list("vectors", flat=True).first()
    return found or ()


def is_same_model(endpoint: Endpoint, other: Endpoint) -> bool:
    """Return whether both endpoints have the same model, as far as is known."""
    if endpoint.pk == other.pk:
        return True
    found = dict(
        ReferenceVectors.objects.filter(endpoint__in=(endpoint, other)).values_list("endpoint", "vectors")
    )
    return len(found) < 2 or fits(found[endpoint.pk], found[other.pk])


def fits(kept: Sequence[Vector], vectors: Sequence[Vector]) -> bool:
    """Return whether the vectors are almost those that were kept. vectors: of the first texts, or of all."""
    pairs = list(zip(kept, vectors, strict=False))
    if any(len(one) != len(other) for one, other in pairs):
        return False
    return fmean(_cosine(one, other) for one, other in pairs) >= LEAST_COSINE


def _cosine(one: Vector, other: Vector) -> float:
    length = sqrt(sum(a * a for a in one)) * sqrt(sum(b * b for b in other))
    return sum(a * b for a, b in zip(one, other, strict=True)) / length if length else 0.0


def _difference(kept: int, found: int) -> str:
    seen = (
        "its vectors of known texts differ"
        if kept == found
        else f"it returned {found} dimensions, but {kept} were recorded"
    )
    return (
        f"Another model answers at this address: {seen}. Put the old model back, or add the new one as an endpoint of "
        "its own and choose it in the settings of the workspaces, which re-indexes them. Until then they search by "
        "words only, and new documents wait."
    )
