"""The verdict, case by case. Every way in which images and schedule are known to part has a line here."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.reconcile.candidates import Candidate
from archive.reconcile.reconcile_policy import Policy
from archive.reconcile.study_evidence import Identity, Request, StudyEvidence
from archive.reconcile.verdict_record import CandidateRecord, records
from tests.archive.reconcile.builders import (
    ANNA,
    BEFORE,
    DEFAULT,
    DUE,
    LATER,
    OTTO,
    candidate,
    facts,
    judge,
    person,
)

TWIN = Identity("P7", "GENHOSP", "BARS^ANTON", "19700102", "M")


def in_days(days: int) -> str:
    return (datetime.fromisoformat(DUE) + timedelta(days=days)).isoformat(timespec="microseconds")


def request(name: str, **values: str) -> Request:
    ids = {"scheduled_procedure_step_id": f"SPS{name:0>5}", "requested_procedure_id": f"RP{name:0>5}"}
    return Request(**{**ids, **values})


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        (ANNA, "matched"),
        (replace(ANNA, issuer=""), "matched"),
        (replace(ANNA, name="bars^anna^^^"), "matched"),
        (replace(ANNA, sex=""), "matched"),
        (replace(ANNA, birth_date=""), "matched"),
        (replace(ANNA, name="BARS^ANNE"), "corrected"),
        (replace(ANNA, name="ANNA^BARS"), "corrected"),
        (replace(ANNA, name="BARS ANNA"), "corrected"),
        (replace(ANNA, name="BARS, ANNA"), "matched"),
        (replace(ANNA, name="BARS^A"), "corrected"),
        (replace(ANNA, name="BARS^ANNA^MARIA"), "corrected"),
        (replace(ANNA, birth_date="19700201"), "corrected"),
        (replace(ANNA, birth_date="19710102"), "corrected"),
        (replace(ANNA, name="BARS^ANNE", birth_date="19710102"), "probable"),  # two slips are one too many
        (replace(ANNA, name="MILLER^ANNA"), "probable"),  # married?
        (replace(ANNA, sex="M"), "probable"),
        (replace(ANNA, birth_date="19451130"), "probable"),
        (replace(ANNA, patient_id=""), "probable"),
        (replace(ANNA, patient_id="0P1"), "probable"),  # a station that pads, or another person
        (replace(ANNA, issuer="ELSEWHERE"), "probable"),  # the same number of another hospital
        (replace(OTTO, patient_id="P1", issuer="ELSEWHERE"), "mismatch"),
        (replace(ANNA, patient_id="P9"), "mismatch"),  # demographics agree perfectly
        (replace(OTTO, patient_id="P1"), "mismatch"),  # only the ID agrees
        (replace(ANNA, name="OTHER^OTTO", birth_date="19350517"), "mismatch"),
        (replace(OTTO, patient_id=""), "mismatch"),
        (TWIN, "mismatch"),
        (OTTO, "mismatch"),
        (Identity(), "probable"),  # no identity at all: the order is known, the patient is not
    ],
)
def test_an_order_is_named_by_its_accession_number(seen: Identity, outcome: str) -> None:
    assert judge(facts(seen), candidate()).outcome == outcome


@pytest.mark.parametrize(
    ("kept", "seen"),
    [
        ("MÜLLER^JÖRG", "MUELLER^JOERG"),
        ("MUELLER^JOERG", "Müller^Jörg"),
        ("MÜLLER^JÖRG", "MULLER^JORG"),
        ("NUÑEZ^JOSÉ", "NUNEZ^JOSE"),
        ("GROß^ANNA", "GROSS^ANNA"),
        ("ŁUKASZ^ØRJAN", "LUKASZ^OERJAN"),
    ],
)
def test_umlauts_and_diacritics_may_be_written_out_or_lost(kept: str, seen: str) -> None:
    patient = replace(ANNA, name=kept)
    judgement = judge(facts(replace(ANNA, name=seen)), candidate(patient=patient))
    assert judgement.outcome in ("corrected", "matched")


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        ("A000001", "matched"),
        ("a000001 ", "matched"),
        ("A-000001", "matched"),
        ("A000002", "probable"),  # one digit off, the only open step of the patient
        ("A000010", "probable"),
        ("X999999", "probable"),
        ("", "probable"),
    ],
)
def test_the_accession_number_may_be_off(number: str, outcome: str) -> None:
    assert judge(facts(accession_number=number), candidate()).outcome == outcome


@pytest.mark.parametrize(("seen", "kept"), [("12345", "0012345"), ("CT0012345", "0012345")])
def test_zeros_and_prefixes_of_accession_numbers_are_corrected(seen: str, kept: str) -> None:
    assert judge(facts(accession_number=seen), candidate(accession_number=kept)).outcome == "corrected"


def test_lost_zeros_do_not_hide_a_wrong_patient() -> None:
    assert (
        judge(facts(OTTO, accession_number="12345"), candidate(accession_number="0012345")).outcome
        == "mismatch"
    )


def test_a_merged_record_is_the_same_patient() -> None:
    merged = person(ANNA, Identity("OLD7", "GENHOSP", "UNKNOWN^FEMALE", "19000101", ""))
    for seen in (
        replace(ANNA, patient_id="OLD7"),
        Identity("OLD7", "GENHOSP", "UNKNOWN^FEMALE", "19000101", ""),
    ):
        judgement = judge(facts(seen), candidate(patient=merged))
        assert judgement.outcome == "matched"
        assert judgement.findings[0].normaliser == "merged record"


def test_an_identifier_of_the_same_person_from_another_issuer_agrees() -> None:
    both = person(ANNA, Identity("N1", "NATIONAL", "BARS^ANNA", "19700102", "F"))
    assert (
        judge(facts(replace(ANNA, patient_id="N1", issuer="NATIONAL")), candidate(patient=both)).outcome
        == "matched"
    )
    assert judge(facts(replace(ANNA, patient_id="N1")), candidate(patient=both)).outcome == "probable"


def test_without_any_order_a_study_is_unscheduled_though_others_have_orders_that_day() -> None:
    others = [candidate("2", OTTO), candidate("3", TWIN)]
    judgement = judge(
        facts(Identity("P5", "GENHOSP", "NOBODY^NORA", "19700102", "F"), accession_number="V5"), *others
    )
    assert judgement.outcome == "unscheduled"
    assert judge(facts()).outcome == "unscheduled"


def test_without_an_order_named_one_open_step_is_probable_and_several_are_ambiguous() -> None:
    seen = facts(accession_number="")
    assert judge(seen, candidate()).outcome == "probable"
    assert judge(seen, candidate(), candidate("2")).outcome == "ambiguous"
    assert judge(seen, candidate(), candidate("2", modality="MR")).outcome == "probable"
    assert judge(seen, candidate(), candidate("2", status="completed")).outcome == "probable"
    assert judge(seen, candidate(status="cancelled")).outcome == "unscheduled"
    assert judge(seen, candidate(due="2026-03-04T08:00:00+00:00")).outcome == "unscheduled"
    assert judge(seen, candidate(modality="MR")).outcome == "unscheduled"


def test_of_several_open_steps_a_nearly_right_accession_number_tells_which() -> None:
    seen = facts(accession_number="A000019")
    judgement = judge(seen, candidate("18"), candidate("2", accession_number="B777"))
    assert judgement.outcome == "probable"
    assert judgement.ranked[0].candidate.accession_number == "A000018"
    assert judge(seen, candidate("18"), candidate("17")).outcome == "ambiguous"


def test_an_order_that_came_after_the_study_was_quiet_is_late() -> None:
    late = candidate(content_received_at=LATER)
    assert judge(facts(), late).outcome == "late_order"
    assert judge(facts(accession_number=""), late).outcome == "late_order"
    assert judge(facts(OTTO), late).outcome == "mismatch"
    assert judge(facts(replace(ANNA, name="MILLER^ANNA")), late).outcome == "probable"
    assert not judge(facts(), late).chosen


def test_a_site_may_let_exact_images_of_a_late_order_go_on() -> None:
    late, exact = candidate(content_received_at=LATER), Policy.model_validate({"accept_late_order": "exact"})
    assert judge(facts(), late, policy=exact).outcome == "matched"
    assert judge(facts(replace(ANNA, name="BARS^ANNE")), late, policy=exact).outcome == "late_order"
    assert judge(
        facts(accession_number="1"), replace(late, accession_number="0001"), policy=exact
    ).outcome == ("late_order")
    assert judge(facts(accession_number=""), late, policy=exact).outcome == "late_order"
    assert judge(facts(OTTO), late, policy=exact).outcome == "mismatch"


def test_a_study_that_is_not_quiet_is_pending() -> None:
    assert judge(facts(quiet_at=""), candidate()).outcome == "pending"


def test_a_planned_study_uid_names_its_order() -> None:
    seen = facts(accession_number="", study_instance_uid="2.25.1")
    assert judge(seen, candidate()).outcome == "matched"
    assert judge(replace(seen, identities=(OTTO,)), candidate(), candidate("2", OTTO)).outcome == "mismatch"
    assert judge(replace(seen, accession_numbers=("Z1",)), candidate()).outcome == "probable"


def test_headers_that_name_orders_of_two_patients_are_a_mismatch() -> None:
    seen = facts(study_instance_uid="2.25.2")
    assert judge(seen, candidate(), candidate("2", OTTO)).outcome == "mismatch"
    nobody = replace(seen, identities=(Identity(),))
    assert judge(nobody, candidate(), candidate("2", OTTO)).outcome == "mismatch"
    asked = facts(requests=(request("2"),))
    assert judge(asked, candidate(), candidate("2", OTTO)).outcome == "mismatch"


def test_headers_that_name_two_orders_of_one_patient_are_ambiguous() -> None:
    assert judge(facts(study_instance_uid="2.25.2"), candidate(), candidate("2")).outcome == "ambiguous"


def test_two_identities_in_one_study_are_a_mismatch() -> None:
    judgement = judge(facts(ANNA, OTTO), candidate())
    assert judgement.outcome == "mismatch"
    assert {f.field for f in judgement.findings if f.agreement == 0} >= {"patient_id", "patient_name"}
    assert judge(facts(ANNA, OTTO, accession_number="")).outcome == "mismatch"
    assert judge(facts(ANNA, replace(ANNA, name="BARS^ANNA^M")), candidate()).outcome == "corrected"


def test_two_numbers_of_one_person_in_a_study_are_no_mismatch() -> None:
    merged = person(ANNA, replace(ANNA, patient_id="OLD7"))
    assert (
        judge(facts(ANNA, replace(ANNA, patient_id="OLD7")), candidate(patient=merged)).outcome == "matched"
    )


def test_one_accession_number_of_several_procedures_matches_all_that_fit() -> None:
    chest = candidate("1", accession_number="A1")
    abdomen = candidate("2", accession_number="A1", body_part="ABDOMEN", description="CT abdomen")
    knee = candidate("3", accession_number="A1", modality="MR", body_part="KNEE")
    seen = facts(accession_number="A1")
    assert chosen(seen, chest, abdomen, knee) == {"step-1", "step-2"}
    assert chosen(replace(seen, body_parts=("CHEST",)), chest, abdomen, knee) == {"step-1"}
    assert chosen(replace(seen, study_instance_uid="2.25.2"), chest, abdomen, knee) == {"step-2"}
    assert judge(replace(seen, modalities=()), chest, abdomen).outcome == "ambiguous"


def test_one_accession_number_of_two_patients_is_never_matched_by_itself() -> None:
    both = candidate("1", accession_number="A1"), candidate("2", OTTO, accession_number="A1")
    assert judge(facts(accession_number="A1"), *both).outcome == "ambiguous"
    assert judge(facts(accession_number="A1", study_instance_uid="2.25.1"), *both).outcome == "matched"
    assert judge(facts(TWIN, accession_number="A1"), *both).outcome == "mismatch"


def test_a_group_case_is_matched_through_its_requests() -> None:
    seen = facts(accession_number="", requests=(request("1"), request("2", accession_number="A000002")))
    assert chosen(seen, candidate(), candidate("2"), candidate("3")) == {"step-1", "step-2"}
    assert judge(seen, candidate(), candidate("3")).outcome == "probable"  # one of the two is not here yet
    assert judge(seen, candidate(), candidate("2", OTTO)).outcome == "mismatch"
    assert chosen(replace(seen, accession_numbers=("A000001",)), candidate(), candidate("2")) == {
        "step-1",
        "step-2",
    }


def test_a_short_step_id_names_nobody_by_itself() -> None:
    ids = {"scheduled_procedure_step_id": "1", "requested_procedure_id": ""}
    seen = facts(accession_number="", requests=(Request(**ids),))
    assert judge(seen, candidate("2", OTTO, scheduled_procedure_step_id="1")).outcome == "unscheduled"


def test_another_side_or_modality_than_was_ordered_needs_a_person() -> None:
    knee = candidate(laterality="L", description="MR knee", modality="MR", body_part="KNEE")
    seen = facts(modalities=("MR",), body_parts=("KNEE",))
    assert judge(replace(seen, lateralities=("L",)), knee).outcome == "matched"
    assert judge(replace(seen, lateralities=("R",)), knee).outcome == "probable"
    assert judge(replace(seen, description="Knee right"), knee).outcome == "probable"
    assert judge(seen, candidate()).outcome == "probable"
    assert judge(facts(modalities=("DX",)), candidate(modality="CR")).outcome == "matched"


def test_the_follow_up_that_was_picked_for_the_exam_of_today_needs_a_person() -> None:
    today = candidate("2", due=DUE)
    follow_up = candidate(due=in_days(90))
    assert judge(facts(), follow_up, today).outcome == "probable"
    assert judge(facts(), follow_up).outcome == "matched", "nothing else is due: it was done early"
    assert judge(facts(), candidate(), replace(today, due=in_days(90))).outcome == "matched"
    assert judge(facts(), follow_up, replace(today, status="completed")).outcome == "matched"
    assert judge(facts(), follow_up, replace(today, modality="MR")).outcome == "matched"
    assert judge(facts(), candidate(due=in_days(2)), today).outcome == "matched", "of one week"


def test_an_order_cancelled_before_the_images_needs_a_person_and_one_after_does_not() -> None:
    assert judge(facts(), candidate(status="cancelled", cancelled_at=BEFORE)).outcome == "probable"
    assert judge(facts(), candidate(status="cancelled", cancelled_at=LATER)).outcome == "matched"


def test_an_accession_number_of_another_issuer_names_another_order() -> None:
    order = candidate(accession_issuer="GENHOSP")
    assert judge(facts(accession_issuer="GENHOSP"), order).outcome == "matched"
    assert judge(facts(OTTO, accession_issuer="ELSEWHERE"), order).outcome == "unscheduled"


def test_the_patient_id_alone_of_another_patient_is_a_mismatch_even_without_an_order() -> None:
    assert (
        judge(facts(replace(OTTO, patient_id="P1"), accession_number=""), candidate()).outcome == "mismatch"
    )


def test_empty_fields_neither_agree_nor_contradict() -> None:
    judgement = judge(facts(replace(ANNA, sex="", birth_date="")), candidate())
    empty = {f.field: (f.agreement, f.weight) for f in judgement.findings if f.field in ("sex", "birth_date")}
    assert empty == {"sex": (None, 0.0), "birth_date": (None, 0.0)}


def test_a_site_may_be_stricter_or_milder() -> None:
    strict = Policy.model_validate({"allowed": {"patient_name": []}})
    assert judge(facts(replace(ANNA, name="BARS^ANNE")), candidate(), policy=strict).outcome == "probable"
    mild = Policy.model_validate({"other_id_same_demographics": "probable"})
    assert judge(facts(replace(ANNA, patient_id="P9")), candidate(), policy=mild).outcome == "probable"
    aliases = Policy.model_validate({"issuer_aliases": {"GH": "GENHOSP"}})
    assert judge(facts(replace(ANNA, issuer="GH")), candidate(), policy=aliases).outcome == "matched"
    assert len({DEFAULT.version, strict.version, mild.version, Policy().version}) == 3
    with pytest.raises(ValueError, match="wieghts"):
        Policy.model_validate({"wieghts": {}})


@pytest.mark.parametrize(
    ("agreement", "default", "strict"),
    [
        (None, "silent", "silent"),
        (0.0, "contradicts", "contradicts"),
        (0.4, "contradicts", "unclear"),
        (0.41, "unclear", "unclear"),
        (0.8, "agrees", "unclear"),
        (0.95, "agrees", "agrees"),
        (1.0, "agrees", "agrees"),
    ],
)
def test_a_finding_says_what_it_comes_to_under_the_policy(
    agreement: float | None, default: str, strict: str
) -> None:
    assert DEFAULT.concordance(agreement) == default
    assert (
        Policy.model_validate({"agrees_from": 0.95, "contradicts_to": 0.1}).concordance(agreement) == strict
    )


def test_the_candidates_tell_what_the_api_promises() -> None:
    entry: Any = records(judge(facts(), candidate()))[0].to_json()
    assert entry["scheduled_procedure_step_id"] == "SPS00001"
    assert entry["patient"]["name"] == "BARS^ANNA"
    assert 0.9 < entry["score"] <= 1
    says = {"field", "seen", "expected", "normaliser", "agreement", "concordance", "weight"}
    assert says == set(entry["findings"][0])


def chosen(seen: StudyEvidence, *candidates: Candidate) -> set[str]:
    judgement = judge(seen, *candidates)
    assert judgement.outcome == "matched", judgement.reason
    return {one.id for one in judgement.chosen}


NAMES = st.sampled_from(["BARS^ANNA", "BARS^ANTON", "ANNA^BARS", "BARS^ANNE", "OTHER^OTTO", "MÜLLER^EVA", ""])
IDENTITIES = st.builds(
    Identity,
    patient_id=st.sampled_from(["P1", "P2", "P3", "0P1", ""]),
    issuer=st.sampled_from(["GENHOSP", "ELSEWHERE", ""]),
    name=NAMES,
    birth_date=st.sampled_from(["19700102", "19700201", "19350517", ""]),
    sex=st.sampled_from(["F", "M", "O", ""]),
)
RECORDS = IDENTITIES.map(
    lambda one: replace(one, patient_id=one.patient_id or "P4", issuer=one.issuer or "GENHOSP")
)
NUMBERS = st.sampled_from(["A000001", "A000002", "a1", "0001", "1", ""])
CANDIDATES = st.lists(
    st.builds(
        candidate,
        st.integers(1, 6).map(str),
        RECORDS,
        accession_number=NUMBERS,
        modality=st.sampled_from(["CT", "MR"]),
        status=st.sampled_from(["scheduled", "completed", "cancelled"]),
        content_received_at=st.sampled_from([BEFORE, LATER]),
        study_instance_uid=st.sampled_from(["1.2.3", "2.25.1", "2.25.2"]),
    ),
    max_size=5,
    unique_by=lambda one: one.id,
)
FACTS = st.builds(
    facts,
    IDENTITIES,
    accession_number=NUMBERS,
    requests=st.lists(
        st.builds(request, st.integers(1, 6).map(str), accession_number=NUMBERS), max_size=2
    ).map(tuple),
)


@given(FACTS, CANDIDATES, st.randoms())
def test_the_verdict_follows_from_its_inputs_alone(seen: StudyEvidence, candidates: list, dice) -> None:
    first = judge(seen, *candidates)
    dice.shuffle(candidates)
    again = judge(seen, *candidates)
    assert again == first
    assert records(again) == records(first)


@given(FACTS, CANDIDATES)
def test_nothing_is_matched_whose_id_or_demographics_contradict(
    seen: StudyEvidence, candidates: list
) -> None:
    judgement = judge(seen, *candidates)
    if judgement.outcome not in ("matched", "corrected"):
        assert not judgement.chosen
        return
    assert judgement.chosen
    by_id = {one.candidate.id: one for one in judgement.ranked}
    for one in judgement.chosen:
        found = {f.field: f.agreement for f in by_id[one.id].findings}
        assert found["patient_id"] == 1
        assert (found["patient_name"] or 1) >= 0.8
        assert (found["birth_date"] or 1) >= 0.8
        assert found["sex"] in (None, 1)


@given(FACTS, CANDIDATES)
def test_an_order_named_of_a_contradicting_patient_is_a_mismatch_or_asks_a_person(
    seen: StudyEvidence, candidates: list
) -> None:
    named = [one for one in candidates if one.accession_number in seen.accession_numbers]
    others = [one for one in named if one.patient.records[0].patient_id != seen.identity.patient_id]
    if seen.identity.patient_id and named and len(others) == len(named):
        assert judge(seen, *candidates).outcome in ("mismatch", "probable", "ambiguous")


@given(FACTS, CANDIDATES)
def test_what_is_kept_of_candidates_is_read_as_it_was_written(seen: StudyEvidence, candidates: list) -> None:
    for kept in records(judge(seen, *candidates)):
        written = kept.to_json()
        assert json.loads(json.dumps(written)) == written
        assert CandidateRecord.from_json(written) == kept
