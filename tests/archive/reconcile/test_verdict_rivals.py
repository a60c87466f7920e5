"""Whose images these are where several people, several exams or a wrong field come near to each other."""

from dataclasses import replace

import pytest

from archive.reconcile.reconcile_policy import RIVAL, Policy
from archive.reconcile.registered_people import RegisteredPeople
from archive.reconcile.study_evidence import Identity
from archive.reconcile.verdict import decide
from tests.archive.reconcile.builders import ANNA, LATER, OTTO, candidate, facts, judge

LINA = Identity("P3001", "GENHOSP", "KURZ^LINA", "19800503", "F")
LENA = Identity("P3002", "GENHOSP", "KURZ^LENA", "19800503", "F")
SON = Identity("P4001", "GENHOSP", "HUBER^JOSEF", "19700101", "M")
FATHER = Identity("P4002", "GENHOSP", "HUBER^JOSEF", "19400101", "M")


class TestAnotherWhomItFits:
    """A slip is forgiven only where nobody else is registered who fits as well."""

    @pytest.mark.parametrize(
        ("seen", "ordered", "other"),
        [
            (replace(LINA, name="KURZ^LENA"), LINA, LENA),  # sisters
            (replace(LINA, name="KURZ^LNA"), LINA, LENA),  # as near to one as to the other
            (replace(SON, birth_date="19400101"), SON, FATHER),
            (replace(SON, birth_date="19800101"), SON, FATHER),
            (replace(ANNA, name="BARS^A"), ANNA, replace(ANNA, patient_id="P7", name="BARS^ANDREA")),
            (replace(ANNA, name="BAERS^ANNA"), ANNA, replace(ANNA, patient_id="P7", name="BÄRS^ANNA")),
        ],
    )
    def test_it_takes_a_person_and_the_finding_names_them(
        self, seen: Identity, ordered: Identity, other: Identity
    ) -> None:
        alone = judge(facts(seen), candidate(patient=ordered), registered=[ordered])
        assert alone.outcome == "corrected"
        beside = judge(facts(seen), candidate(patient=ordered), registered=[ordered, other])
        assert beside.outcome == "probable"
        (rival,) = [found for found in beside.findings if found.field == RIVAL]
        assert other.patient_id in rival.expected and other.patient_id in beside.reason
        late = candidate(patient=ordered, content_received_at=LATER)
        assert judge(facts(seen), late, registered=[ordered, other]).outcome == "probable"

    def test_twins_with_two_open_orders(self) -> None:
        twins = LINA, replace(LENA, name="KURZ^LINE")
        orders = candidate("1", twins[0]), candidate("2", twins[1])
        seen = replace(twins[0], name="KURZ^LINE")
        assert judge(facts(seen), *orders, registered=twins).outcome == "probable"
        assert judge(facts(twins[0]), *orders, registered=twins).outcome == "matched"

    @pytest.mark.parametrize(
        ("born", "seen_born"),
        [("19800504", "19800503"), ("19720101", ""), ("19720101", "19800503")],
    )
    def test_a_sister_who_is_due_for_the_same_exam_takes_a_person(self, born: str, seen_born: str) -> None:
        sister = replace(LENA, birth_date=born)
        seen = replace(LINA, name=LENA.name, birth_date=seen_born)
        orders = candidate("1", LINA), candidate("2", sister)
        judgement = judge(facts(seen), *orders, registered=[LINA, sister])
        assert judgement.outcome == "probable" and sister.patient_id in judgement.reason

    def test_one_who_fits_less_does_not_stand_in_the_way(self) -> None:
        seen = replace(LINA, name="KURZ^LINNA")
        for other in (OTTO, replace(LENA, birth_date="19790101"), replace(LENA, sex="M", name="KURZ^LEON")):
            assert judge(facts(seen), candidate(patient=LINA), registered=[other]).outcome == "corrected"

    def test_where_more_are_registered_than_are_looked_at_nothing_is_forgiven(self) -> None:
        crowd = RegisteredPeople(is_cut=True)
        seen = facts(replace(LINA, name="KURZ^LNA"))
        assert decide(seen, [candidate(patient=LINA)], Policy(), crowd).outcome == "probable"
        assert decide(facts(LINA), [candidate(patient=LINA)], Policy(), crowd).outcome == "matched"

    def test_what_agrees_exactly_is_forgiven_nothing(self) -> None:
        namesake = replace(LINA, patient_id="P3999")
        assert judge(facts(LINA), candidate(patient=LINA), registered=[LINA, namesake]).outcome == "matched"


class TestTheNumberThatIsOff:
    """A patient ID with a slip, of another issuer, or another number typed in its place."""

    @pytest.mark.parametrize("accession", ["", "A000001"])
    @pytest.mark.parametrize("typed", ["P301", "P3011", "P0301", "P30011", "0P3001"])
    def test_a_slip_takes_a_person(self, typed: str, accession: str) -> None:
        seen = facts(replace(LINA, patient_id=typed), accession_number=accession)
        assert judge(seen, candidate(patient=LINA), registered=[LINA]).outcome == "probable"

    def test_a_slip_that_is_another_ones_number_is_the_wrong_patient(self) -> None:
        seen = facts(replace(LINA, patient_id="P3002"))
        assert judge(seen, candidate(patient=LINA), registered=[LINA, LENA]).outcome == "mismatch"
        stranger = replace(OTTO, patient_id="P3002")
        assert judge(seen, candidate(patient=LINA), registered=[LINA, stranger]).outcome == "mismatch"

    def test_a_slip_beside_another_name_is_the_wrong_patient(self) -> None:
        seen = facts(replace(OTTO, patient_id="P301"))
        assert judge(seen, candidate(patient=LINA), registered=[LINA]).outcome == "mismatch"

    def test_another_issuer_takes_a_person(self) -> None:
        seen = replace(LINA, issuer="ELSEWHERE")
        for accession in ("", "A000001"):
            study = facts(seen, accession_number=accession)
            assert judge(study, candidate(patient=LINA), registered=[LINA]).outcome == "probable"
        theirs = replace(OTTO, patient_id=LINA.patient_id, issuer="ELSEWHERE")
        assert judge(facts(seen), candidate(patient=LINA), registered=[LINA, theirs]).outcome == "mismatch"

    def test_an_alias_of_an_issuer_is_that_issuer_for_everybody(self) -> None:
        aliases = Policy.model_validate({"issuer_aliases": {"GH": "GENHOSP"}})
        seen = facts(replace(LINA, patient_id="P3002", issuer="GH"))
        judgement = judge(seen, candidate(patient=LINA), registered=[LINA, LENA], policy=aliases)
        assert judgement.outcome == "mismatch"

    def test_the_accession_number_typed_into_the_patient_id_takes_a_person(self) -> None:
        seen = replace(LINA, patient_id="A000001", issuer="")
        for accession in ("", "A000001"):
            study = facts(seen, accession_number=accession)
            assert judge(study, candidate(patient=LINA), registered=[LINA]).outcome == "probable"
        otto = replace(OTTO, patient_id="A000001", issuer="")
        assert judge(facts(otto), candidate(patient=LINA)).outcome == "mismatch"


class TestWhichExam:
    """What was done, where the order that is named says something else."""

    HEAD = candidate("1", body_part="HEAD", description="CT head")
    CHEST = candidate("2", body_part="CHEST", description="CT chest")

    def test_images_of_the_other_open_order_take_a_person(self) -> None:
        seen = facts(body_parts=("CHEST",), description="CT chest")
        judgement = judge(seen, self.HEAD, self.CHEST)
        assert judgement.outcome == "probable"
        assert [one.candidate.id for one in judgement.ranked[:2]] == ["step-1", "step-2"]

    def test_without_another_that_fits_the_number_decides(self) -> None:
        seen = facts(body_parts=("CHEST",), description="CT chest")
        done = replace(self.CHEST, status="completed")
        others = replace(self.CHEST, patient=candidate(patient=OTTO).patient)
        for other in (done, others, replace(self.CHEST, modality="MR")):
            assert judge(seen, self.HEAD, other).outcome == "matched"

    def test_an_add_on_in_one_sitting_is_of_both_orders(self) -> None:
        seen = facts(
            study_instance_uid="2.25.1", accession_numbers=("A000001", "A000002"), body_parts=("HEAD",)
        )
        judgement = judge(seen, self.HEAD, self.CHEST)
        assert judgement.outcome == "matched"
        assert {one.id for one in judgement.chosen} == {"step-1", "step-2"}
        other = replace(self.CHEST, patient=candidate(patient=OTTO).patient)
        assert judge(seen, self.HEAD, other).outcome == "mismatch"

    def test_his_number_of_last_year_is_hers_now(self) -> None:
        his = candidate("2", OTTO, accession_number="A000001", status="completed")
        assert judge(facts(), candidate(), his).outcome == "matched"
        assert judge(facts(), candidate(), replace(his, status="scheduled")).outcome == "ambiguous"
        assert judge(facts(OTTO), candidate(), replace(his, due=LATER)).outcome == "ambiguous"

    def test_a_panoramic_x_ray_is_one(self) -> None:
        assert judge(facts(modalities=("PX",)), candidate(modality="DX")).outcome == "matched"
        strict = Policy.model_validate({"similar_modalities": [["CR", "DX"]]})
        assert judge(facts(modalities=("PX",)), candidate(modality="DX"), policy=strict).outcome == "probable"

    @pytest.mark.parametrize("groups", [[[]], [["CR"]], [["CR", "dx"]], [["CR", "X" * 17]]])
    def test_a_group_of_modalities_is_checked(self, groups: list[list[str]]) -> None:
        with pytest.raises(ValueError, match="modalit"):
            Policy.model_validate({"similar_modalities": groups})


class TestADocumentAlone:
    """A dose report without an accession number follows the patient's only exam."""

    ALONE = facts(accession_number="", modalities=(), without_pixels=True)

    def test_of_the_only_exam(self) -> None:
        assert judge(self.ALONE, candidate()).outcome == "matched"
        assert judge(self.ALONE, candidate(status="completed")).outcome == "matched"

    def test_from_a_station_that_the_order_does_not_name(self) -> None:
        study = replace(self.ALONE, station_ae_titles=("DOSE9",), station_names=())
        assert judge(study, candidate()).outcome == "probable"

    def test_of_two_exams_it_takes_a_person(self) -> None:
        two = candidate(), candidate("2", status="completed")
        assert judge(self.ALONE, *two).outcome == "probable"

    def test_of_somebody_who_is_not_surely_the_patient(self) -> None:
        for seen in (replace(ANNA, name="BARS^ANNE"), replace(ANNA, patient_id="")):
            study = facts(seen, accession_number="", modalities=(), without_pixels=True)
            assert judge(study, candidate()).outcome == "probable"

    def test_images_without_a_modality_are_no_document(self) -> None:
        assert judge(facts(accession_number="", modalities=()), candidate()).outcome == "unscheduled"
