"""Each index costs every insert; none may do what another does."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db.models import Index, Model, UniqueConstraint

OURS = {"accounts", "ledger", "worklist", "archive", "reporting", "hl7", "dicom", "web"}


def _indexes(model: type[Model]) -> Iterator[tuple[str, ...]]:
    """The columns of each index of a table, without those that hold only some of its rows."""
    meta = model._meta
    for field in meta.local_concrete_fields:
        if field.unique or field.db_index:
            yield (field.name,)
    for one in (*meta.indexes, *meta.constraints):
        if isinstance(one, Index | UniqueConstraint) and one.condition is None:
            yield tuple(name.removeprefix("-") for name in one.fields)


@pytest.mark.parametrize(
    "model",
    [model for app in apps.get_app_configs() if app.label in OURS for model in app.get_models()],
    ids=lambda model: model._meta.label,
)
def test_no_index_is_the_beginning_of_another(model: type[Model]) -> None:
    indexes = list(_indexes(model))
    assert [
        one
        for place, one in enumerate(indexes)
        for other in indexes[:place] + indexes[place + 1 :]
        if other[: len(one)] == one
    ] == []
