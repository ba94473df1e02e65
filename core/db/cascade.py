"""Deletes a row with all that depends on it in parts: each is a small transaction, however much there is.

Django's own `delete` holds all rows in memory, and one transaction for as long as it takes. Here the rows that
depend on others go first, so that a killed process leaves nothing that points nowhere, and another one goes on.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from django.db import models, transaction
from django.db.models.deletion import get_candidate_relations_to_delete

PART = 500  # rows of one transaction

_Model = type[models.Model]


def delete_in_parts(model: _Model, keys: Sequence[Any]) -> Iterator[int]:
    """Delete these rows. Yield after each transaction how many rows it deleted."""
    yield from delete_below(model, keys)
    rows = model._base_manager.filter(pk__in=keys)
    with transaction.atomic():
        # The locks make writers of dependent rows wait, which then find that the row is gone.
        list(rows.select_for_update().order_by("pk").values_list("pk"))
        rows.delete()
    yield len(keys)


def delete_below(model: _Model, keys: Sequence[Any], leave: Collection[_Model] = ()) -> Iterator[int]:
    """Delete what depends on these rows, and clear the other references to them, but keep the rows.

    leave: models whose rows stay.
    """
    for owned in relations(model, models.CASCADE):
        if owned.related_model not in leave:
            rows = owned.related_model._base_manager.filter(**{f"{owned.field.name}__in": keys})
            yield from delete_rows(rows)
    for referring in relations(model, models.SET_NULL):
        yield from _unlink(referring.related_model, referring.field.name, keys)


def delete_rows(rows: models.QuerySet[Any]) -> Iterator[int]:
    """Delete the rows of this query, as `delete_in_parts` does.

    It ends after the first part that is not full, also if rows come as fast as they go: the few that came
    meanwhile are deleted with what they depend on.
    """
    part = [None] * PART
    while len(part) == PART:
        part = _first_keys(rows)
        if part:
            yield from delete_in_parts(rows.model, part)


def _unlink(model: _Model, field: str, owners: Sequence[Any]) -> Iterator[int]:
    rows = model._base_manager.filter(**{f"{field}__in": owners})
    while part := _first_keys(rows):
        model._base_manager.filter(pk__in=part).update(**{field: None})
        yield 0


def _first_keys(rows: models.QuerySet[Any]) -> list[Any]:
    return list(rows.order_by().values_list("pk", flat=True)[:PART])


def count_with_owned(model: _Model, **which: Any) -> int:
    """Return how many rows `delete_in_parts` would delete. which: a filter of the model's rows.

    Rows of the same model that they own are counted, but not what these own of that model in turn.
    """
    own = [each.field.name for each in relations(model, models.CASCADE) if each.related_model is model]
    return _count(model, which) + sum(_count(model, _through(name, which)) for name in own)


def _count(model: _Model, which: dict[str, Any]) -> int:
    total = model._base_manager.filter(**which).count()
    for owned in relations(model, models.CASCADE):
        if owned.related_model is not model:
            total += _count(owned.related_model, _through(owned.field.name, which))
    return total


def _through(field: str, which: dict[str, Any]) -> dict[str, Any]:
    return {f"{field}__{name}": value for name, value in which.items()}


def relations(model: _Model, on_delete: Any) -> list[Any]:
    """Return the relations to this model that behave like this when its row is deleted.

    Django finds them, so apps above add theirs without a change here.
    """
    candidates: Iterable[Any] = get_candidate_relations_to_delete(model._meta)
    return [each for each in candidates if each.on_delete is on_delete]
