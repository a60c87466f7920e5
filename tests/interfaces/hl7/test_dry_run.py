"""What a message would do, without doing it; and cases by which a changed site file is checked."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from accounts.models import User
from interfaces.hl7.inbound import inbox
from interfaces.hl7.inspect import dry_run, message_cases
from ledger.errors import Duplicate, Invalid
from tests.actors import acting
from worklist.models import ScheduledProcedureStep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F"
OBR = f"OBR|1|||CTCH^CT chest^L{'|' * 14}A1||||||CT{'|' * 7}Cough"
ORC = "ORC|NW|PL1^HIS"


def everything() -> dict[str, int]:
    return {model._meta.label: model._default_manager.count() for model in apps.get_models()}


@pytest.mark.parametrize(
    ("kind", "segments", "code"),
    [
        ("ORM^O01", [PID, ORC, OBR], "AA"),
        ("ORM^O01", [PID, "ORC|NW", OBR], "AE"),
        ("ORM^O01", [PID.replace("P1", "P2"), ORC, OBR], "AE"),
        ("ADT^A40", [PID, "MRG|P7^^^GENHOSP^MR"], "AA"),
        ("ADT^Z99", [PID], "AR"),
    ],
)
def test_nothing_stays(say: Say, kind: str, segments: list[str], code: str) -> None:
    inbox.receive(say("ORM^O01", PID, ORC, OBR.replace("Cough", "Pain")), peer="")
    before = everything()
    done = dry_run.dry_run(say(kind, *segments, at=1))
    assert (done.code, done.is_applied) == (code, code == "AA")
    assert f"MSA|{code}|".encode() in done.ack
    assert everything() == before


def test_it_says_what_would_change_and_what_stays(say: Say) -> None:
    inbox.receive(say("ORM^O01", PID, ORC, OBR, at=5), peer="")
    newer = dry_run.dry_run(say("ORM^O01", PID, ORC, OBR.replace("Cough", "Fever"), at=6)).trial
    assert [(one.kind, one.thing, one.field, one.before, one.after) for one in newer.changes] == [
        ("order", "A1", "reason", "Cough", "Fever")
    ]
    assert not newer.kept
    older = dry_run.dry_run(say("ORM^O01", PID, ORC, OBR.replace("Cough", "Fever"), at=4)).trial
    assert not older.changes
    stays = {(one.kind, one.field): (one.said, one.kept) for one in older.kept}
    assert stays["order", "reason"] == ("Fever", "Cough")
    assert all(one.source.startswith("hl7:") for one in older.kept)


def _visit(value: str, name: str, visit: str) -> list[str]:
    return [f"PID|1||{value}^^^GENHOSP^MR||{name}", f"PV1|1|O{'|' * 17}{visit}^^^GENHOSP"]


ANNA, BERTA = _visit("P1", "BARS^ANNA", "V1"), _visit("P2", "BARS^BERTA", "V2")
BOTH = "P1 (BARS^ANNA)", "P2 (BARS^BERTA)"


@pytest.mark.parametrize(
    ("kind", "segments", "moves"),
    [
        ("ADT^A40", [ANNA[0], "MRG|P2^^^GENHOSP^MR"], [("patient", "P2", *reversed(BOTH), 1)]),
        ("ADT^A18", [BERTA[0], "MRG|P1^^^GENHOSP^MR"], [("patient", "P1", *BOTH, 1)]),
        ("ADT^A24", [ANNA[0], BERTA[0]], [("patient", "P2", *reversed(BOTH), 1)]),
        (
            "ADT^A45",
            [BERTA[0], "MRG|P1^^^GENHOSP^MR||||V1^^^GENHOSP", ANNA[1]],
            [("order", "A1", *BOTH, 0), ("visit", "V1", *BOTH, 0)],
        ),
        ("ADT^A31", [BERTA[0].replace("BERTA", "BEA")], []),
        ("ORM^O01", [*ANNA, ORC, OBR.replace("Cough", "Fever")], []),
    ],
)
def test_it_says_whose_would_be_another_patients_and_to_whom(
    say: Say, kind: str, segments: list[str], moves: list[tuple[object, ...]]
) -> None:
    inbox.receive(say("ORM^O01", *ANNA, ORC, OBR), peer="")
    inbox.receive(say("ORM^O01", *BERTA, "ORC|NW|PL2^HIS", OBR.replace("A1", "A2"), at=1), peer="")
    done = dry_run.dry_run(say(kind, *segments, at=2))
    assert done.code == "AA", done.problem
    found = [(one.kind, one.thing, one.whose, one.to, one.orders) for one in done.trial.moves]
    assert sorted(found) == moves


def test_it_says_which_order_would_go_into_one_of_another_record(say: Say) -> None:
    inbox.receive(say("ORM^O01", ANNA[0], ORC, OBR), peer="")
    inbox.receive(say("ORM^O01", BERTA[0], "ORC|NW||FL2^RIS", OBR.replace("A1", "A2"), at=1), peer="")
    inbox.receive(say("ADT^A40", ANNA[0], "MRG|P2^^^GENHOSP^MR", at=2), peer="")
    done = dry_run.dry_run(say("ORM^O01", ANNA[0], "ORC|XO|PL1^HIS|FL2^RIS", OBR.replace("A1", ""), at=3))
    found = [(one.kind, one.thing, one.whose, one.to) for one in done.trial.moves]
    assert found == ([("order", "A2", *reversed(BOTH))] if done.code == "AA" else [])


def test_one_may_look_before_it_is_undone(say: Say) -> None:
    def look(trial: object) -> list[str]:
        return [step.modality for step in ScheduledProcedureStep.objects.all()]

    assert dry_run.dry_run(say("ORM^O01", PID, ORC, OBR), look).seen == ["CT"]
    assert not ScheduledProcedureStep.objects.exists()


def test_a_message_that_is_none_says_so() -> None:
    assert dry_run.dry_run(b"hello").code == "none"
    assert dry_run.dry_run(b"MSH|^~\\&|" + b"A" * dry_run.LONGEST).problem is not None


# Cases


@pytest.fixture
def cases(tmp_path: Path, settings: object) -> Path:
    settings.HOME = tmp_path  # type: ignore[attr-defined]
    return tmp_path / "cases"


def test_a_case_needs_nobodys_data_and_sees_a_changed_mapping(say: Say, user: User, cases: Path) -> None:
    raw = say("ORM^O01", PID, ORC, OBR)
    path = message_cases.keep("CT chest", raw, by=acting(user))
    assert path.read_bytes() == raw
    with pytest.raises(Duplicate):
        message_cases.keep("CT chest", raw, by=acting(user))
    for name in ("", "../escape", "a/b", "x" * 81):
        with pytest.raises(Invalid):
            message_cases.keep(name, raw, by=acting(user))
    (result,) = message_cases.check(cases)
    assert result.is_right
    # What is here makes no difference, and neither does the time.
    inbox.receive(say("ORM^O01", PID, ORC, OBR.replace("Cough", "Pain"), at=9), peer="")
    (result,) = message_cases.check(cases)
    assert result.is_right, result
    path.write_bytes(raw.replace(b"Cough", b"Fever"))
    (result,) = message_cases.check(cases)
    assert [(one.field, one.expected, one.found) for one in result.differences] == [
        ("order 1: reason", "Cough", "Fever")
    ]


SITE = """
facility: {code: GENHOSP, name: General Hospital, time_zone: UTC}
worklist:
  policies: {unknown_authorities: accept, unknown_procedure_codes: accept_with_modality}
hl7:
  accept_unknown_sources: true
  sources:
    - name: any
      assigning_authority: GENHOSP
      mapping: {reason: [OBR-13]}
"""


def test_the_command_checks_a_site_file_that_is_not_applied(
    say: Say, user: User, cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message_cases.keep("one", say("ORM^O01", PID, ORC, OBR), by=acting(user))
    (cases / "two.hl7").write_bytes(say("ADT^A08", PID))
    site = tmp_path / "changed.yaml"
    site.write_text(SITE)
    before = everything()
    with pytest.raises(CommandError):
        call_command("hl7", "check", cases, site=site)
    told = capsys.readouterr().out
    assert "one.hl7: order 1: reason: Cough → nothing" in told
    assert "two.hl7: it says nothing yet" in told and "2 cases, 2 of them read otherwise" in told
    assert everything() == before
    call_command("hl7", "check", cases, accept=True)
    call_command("hl7", "check", cases)
    assert "2 cases, 0 of them" in capsys.readouterr().out


def test_every_kind_of_message_can_be_a_case(say: Say) -> None:
    for kind, segments in (
        ("ADT^A40", [PID, "MRG|P7^^^NEW^MR"]),
        ("ADT^A01", [PID, f"PV1|1|I|W1{'|' * 16}V1^^^OTHER"]),
        ("ORM^O01", [PID, "ORC|CA|PL1^HIS"]),
        ("ADT^Z99", [PID]),
    ):
        says = message_cases.says(say(kind, *segments))
        assert says["answer"] in ("AA", "AR", "AE")
        assert message_cases.says(say(kind, *segments)) == says


def test_an_appointment_moves_the_entry_only_while_one_looks(say: Say) -> None:
    inbox.receive(say("ORM^O01", PID, ORC, OBR), peer="")
    sch = f"SCH|7^SCHED|7^FILL||||ROUTINE|||||^^^20260401100000+0000{'|' * 15}PL1^HIS"

    def look(trial: object) -> str:
        return ScheduledProcedureStep.objects.get().local_date

    before = ScheduledProcedureStep.objects.get().local_date
    done = dry_run.dry_run(say("SIU^S12", sch, PID, "RGS|1", at=1), look)
    assert (done.code, done.seen) == ("AA", "20260401")
    assert ScheduledProcedureStep.objects.get().local_date == before != "20260401"
