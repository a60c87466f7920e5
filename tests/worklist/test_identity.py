"""A merge is a link, never a move; which record shows follows from the links alone."""

from collections.abc import Callable

import pytest
from django.db import transaction

from ledger.errors import Duplicate, Missing, UnknownCode
from ledger.stamps import NONE
from worklist.models import Patient, PatientLink
from worklist.patients import identity
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance
from worklist.worklist_policy import WorklistPolicy

pytestmark = pytest.mark.django_db
Make = Callable[..., Provenance]
GENHOSP = Authority("GENHOSP")


def register(provenance: Provenance, *values: str, **demographics: object) -> Patient:
    with transaction.atomic():
        return identity.register(
            provenance=provenance,
            identifiers=[Identifier(value, GENHOSP, "MR") for value in values],
            demographics=demographics,
        )


def merge(provenance: Provenance, retired: str, survivor: str) -> None:
    with transaction.atomic():
        identity.merge(
            provenance=provenance,
            survivor=Identifier(survivor, GENHOSP),
            retired=Identifier(retired, GENHOSP),
        )


def shown(value: str) -> str:
    return Patient.objects.get(value=value).current.value


def test_an_update_changes_and_the_null_value_clears(provenance: Make) -> None:
    register(provenance(), "P1", name="BARS^ANNA", sex="F", address="Here")
    register(provenance(1), "P1", name="BARS^ANNE", sex=None, address=NONE)
    patient = Patient.objects.get()
    assert (patient.name, patient.sex, patient.address) == ("BARS^ANNE", "F", "")


def test_leading_zeros_and_case_name_other_people(provenance: Make) -> None:
    for value in ("12", "012", "a12", "A12"):
        register(provenance(), value)
    assert Patient.objects.count() == 4


def test_a_merge_shows_the_survivor_and_an_unmerge_gives_it_back(provenance: Make) -> None:
    register(provenance(), "P1")
    merge(provenance(1), "P1", "P2")
    assert shown("P1") == "P2"
    with transaction.atomic():
        identity.unmerge(provenance=provenance(2), link=PatientLink.objects.get())
    assert shown("P1") == "P1"


def test_a_merge_of_unknown_records_makes_them(provenance: Make) -> None:
    merge(provenance(), "P1", "P2")
    assert Patient.objects.count() == 2


def test_a_self_merge_is_refused(provenance: Make) -> None:
    with pytest.raises(Duplicate):
        merge(provenance(), "P1", "P1")


def test_merges_chain(provenance: Make) -> None:
    merge(provenance(), "P1", "P2")
    merge(provenance(1), "P2", "P3")
    assert shown("P1") == shown("P2") == "P3"


def test_a_circle_is_never_closed(provenance: Make) -> None:
    merge(provenance(), "P1", "P2")
    merge(provenance(1), "P2", "P3")
    merge(provenance(2), "P3", "P1")
    assert {shown(value) for value in ("P1", "P2", "P3")} == {"P1"}
    assert PatientLink.objects.exclude(conflict="").count() == 1


def test_an_inverse_merge_turns_the_older_one_round(provenance: Make) -> None:
    merge(provenance(), "P1", "P2")
    merge(provenance(1), "P2", "P1")
    assert shown("P2") == "P1"


def test_two_identifiers_in_one_message_are_one_person(provenance: Make) -> None:
    register(provenance(), "P1", "P2", name="BARS^ANNA")
    assert shown("P2") == "P1"
    assert identity.same_person([Patient.objects.get(value="P2")]).count() == 2


def test_identifiers_of_other_kinds_are_only_attributes(provenance: Make) -> None:
    with transaction.atomic():
        identity.register(
            provenance=provenance(),
            identifiers=[Identifier("P1", GENHOSP, "MR"), Identifier("123", Authority("USA"), "SS")],
            demographics={},
        )
    patient = Patient.objects.get()
    assert patient.other_identifiers == [{"value": "123", "authority": "USA", "type": "SS"}]


def test_without_a_naming_identifier_it_is_refused(provenance: Make) -> None:
    with pytest.raises(Missing):
        register(provenance())


def test_an_unknown_authority_is_refused_where_the_site_says_so(provenance: Make) -> None:
    with pytest.raises(UnknownCode):
        register(provenance(policy=WorklistPolicy(unknown_authorities="refuse")), "P1")
    assert not Patient.objects.exists()
