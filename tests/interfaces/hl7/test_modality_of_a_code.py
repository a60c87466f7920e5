"""A modality is of the code that it was said with; of another one the catalogue decides."""

import itertools
from collections.abc import Callable

import pytest

from tests.interfaces.hl7.test_orders import PID, obr, orc, send
from worklist.models import ProcedureCode, ScheduledProcedureStep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]


@pytest.fixture(autouse=True)
def codes() -> None:
    for code, modality in (("70551", "MR"), ("70450", "CT"), ("76700", "US")):
        ProcedureCode.objects.create(code=code, scheme="C4", description=code, modality=modality)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([("70551", "MR"), ("70450", "")], "CT"),
        ([("70551", "MR"), ("70450", ""), ("76700", "")], "US"),
        ([("70551", "PT"), ("70450", ""), ("70551", "")], "PT"),
        ([("70551", "PT"), ("70551", "")], "PT"),
        ([("70551", "MR"), ("70450", "PT")], "PT"),
        ([("70551", "MR"), ("99999", "")], "MR"),
    ],
)
def test_a_modality_does_not_outlive_its_code_whatever_comes_first(
    say: Say, said: list[tuple[str, str]], expected: str
) -> None:
    ProcedureCode.objects.create(code="99999", scheme="C4", description="unknown", modality="")
    for number, arrivals in enumerate(itertools.permutations(enumerate(said))):
        for at, (code, modality) in arrivals:
            one = obr(f4=f"{code}^^C4", f24=modality)
            raw = say("ORM^O01", PID, orc("XO" if at else "NW", placer=f"PL{number}^HIS"), one, at=at)
            send(raw, "AE" if code == "99999" and not modality else "AA")
    assert set(ScheduledProcedureStep.objects.values_list("modality", flat=True)) == {expected}
