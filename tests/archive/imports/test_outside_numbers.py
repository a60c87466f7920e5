"""A disc's patient IDs are another hospital's: ours of the same number are somebody else's."""

from typing import Any

import pytest
from django.db import transaction

from accounts.models import SiteSection, User
from archive.archive_section import ArchiveSection, Resend
from archive.decisions.create_order import CreateOrder
from archive.decisions.decision_frame import decide
from archive.imports import import_sources
from archive.models import Decision, Verdict
from ledger.errors import Conflict
from tests.actors import acting
from tests.archive.hospital import Hospital
from worklist.models import Order, ProcedureCode

pytestmark = pytest.mark.django_db

AUTOMATIC = {"matched", "corrected", "late_order"}
OTHER = {"name": "KURZ^LENA", "birth_date": "19551231", "sex": "F"}
SAME = {"name": "BARS^ANNA", "birth_date": "19700102", "sex": "F"}


def brought(hospital: Hospital, source: str = import_sources.DISC, **values: Any) -> Verdict:
    study = hospital.study(**{"issuer_of_patient_id": "", **values}, series={"station_ae_title": source})
    return Verdict.objects.filter(study=study).latest("number")


@pytest.mark.parametrize("accession", ["", "A1", "B7"])
@pytest.mark.parametrize("with_order", [True, False])
def test_a_number_that_equals_ours_names_nobody_here(
    hospital: Hospital, accession: str, with_order: bool
) -> None:
    ours = hospital.patient("P1")
    if with_order:
        hospital.order("A1", ours)
    verdict = brought(hospital, accession=accession, **OTHER)
    assert verdict.outcome in {"unscheduled", "mismatch"}
    assert verdict.study.patient is None and not verdict.study.procedures.exists()


@pytest.mark.parametrize(
    "said",
    [
        OTHER,
        SAME,
        {**SAME, "birth_date": ""},
        {**SAME, "name": ""},
        {**SAME, "birth_date": "19700103"},
        {**SAME, "patient_id": ""},
        {**SAME, "patient_id": "P1^^^"},
        {"name": "", "birth_date": "", "sex": ""},
    ],
)
@pytest.mark.parametrize("accession", ["", "A1"])
def test_nothing_of_a_disc_without_an_issuer_is_linked_by_itself(
    hospital: Hospital, said: dict[str, str], accession: str
) -> None:
    hospital.order("A1", hospital.patient("P1"))
    verdict = brought(hospital, accession=accession, **said)
    assert verdict.outcome not in AUTOMATIC
    assert verdict.study.patient is None


def test_the_same_person_is_proposed_and_the_origin_is_seen(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient("P1"))
    verdict = brought(hospital, accession="A1", **SAME)
    assert verdict.outcome == "probable"
    assert verdict.study_evidence["identities"][0]["issuer"] == import_sources.UNKNOWN_ISSUER
    seen = {one["field"]: one for one in verdict.findings}["patient_id"]
    assert (seen["seen"], seen["normaliser"]) == ("P1^^^unknown outside", "other issuer")


@pytest.mark.parametrize("issuer", ["GENHOSP", "OTHERHOSP"])
def test_an_issuer_in_the_headers_stands(hospital: Hospital, issuer: str) -> None:
    hospital.order("A1", hospital.patient("P1"))
    verdict = brought(hospital, accession="A1", issuer_of_patient_id=issuer, **SAME)
    assert verdict.outcome == ("matched" if issuer == "GENHOSP" else "probable")
    assert verdict.study_evidence["identities"][0]["issuer"] == issuer


@pytest.mark.parametrize("source", ["CT1", import_sources.SCANNER])
def test_what_is_made_or_typed_here_needs_no_issuer(hospital: Hospital, source: str) -> None:
    hospital.order("A1", hospital.patient("P1"))
    assert brought(hospital, source, accession="A1", **SAME).outcome == "matched"


def test_a_disc_changes_no_header_that_is_here_by_itself() -> None:
    """Another hospital may have put its own numbers into images of ours before it burned them."""
    newest, refuse = ArchiveSection(), ArchiveSection(resend=Resend.REFUSE)
    trusting = ArchiveSection(resend_by_source={import_sources.DISC: Resend.NEWEST})
    found = [section.resend_of(import_sources.DISC) for section in (newest, refuse, trusting)]
    assert found == [Resend.EXCEPTION, Resend.REFUSE, Resend.NEWEST]
    assert newest.resend_of("CT1") == newest.resend_of(import_sources.SCANNER) == Resend.NEWEST


@pytest.mark.parametrize(
    ("source", "header", "names"),
    [
        (import_sources.DISC, {}, False),
        (import_sources.DISC, {"issuer_of_patient_id": "GENHOSP"}, True),
        ("CT1", {}, True),
        ("CT1", {"patient_id": "P1^^^GENHOSP"}, True),
        ("CT1", {"issuer_of_patient_id": "ELSEWHERE"}, False),
        ("CT1", {"issuer_of_patient_id": "GH"}, True),
        ("CT1", {"header": {"conflicts": {"header_patient_id": ["P9"]}}}, False),
        ("CT1", {"patient_id": ""}, False),
    ],
)
def test_an_order_is_placed_for_whom_the_number_names_and_nobody_else(
    hospital: Hospital, user: User, source: str, header: dict[str, Any], names: bool
) -> None:
    SiteSection.objects.filter(name="archive").update(
        content={"quiet_seconds": 60, "reconcile": {"issuer_aliases": {"GH": "GENHOSP"}}}
    )
    ProcedureCode.objects.create(code="71260", scheme="C4", description="CT chest", modality="CT")
    ours = hospital.patient("P1")
    study = brought(hospital, source, **header).study

    def place() -> Decision:
        with transaction.atomic():
            return decide(CreateOrder("71260"), study=study, reason="found", by=acting(user))

    if study.patient is not None:
        study.patient = None
        study.save()
    if names:
        place()
        assert Order.objects.get().patient == ours
        return
    with pytest.raises(Conflict, match="names no single patient"):
        place()
    assert not Order.objects.exists()
