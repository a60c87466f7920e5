"""What the preview of a decision says of the reports: whom they are about, in words."""

import pytest

from archive.models import Study
from reporting.reading_worklist import decision_effects
from tests.reporting.conftest import World
from worklist.models import Patient

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"name": "REAL^RITA", "value": "P2"}, "goes to REAL, RITA"),
        ({"name": "", "value": "TXG12"}, "goes to patient TXG12"),
        (None, "is of no known patient any more"),
    ],
)
def test_whose_reading_it_becomes(world: World, record: dict[str, str] | None, said: str) -> None:
    item = world.item()
    told = decision_effects.effects_on_preview(Study, study=item.studies.get())
    item.patient = None
    if record:
        known = Patient.objects.get(value="P1")
        item.patient = Patient.objects.create(facility=known.facility, authority=known.authority, **record)
    item.save()
    assert any(text.endswith(said) for text in told())
