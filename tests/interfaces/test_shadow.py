"""A source in shadow: accepted, kept, not applied; compared with what another system's worklist answered."""

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from django.core.management import CommandError, call_command
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from accounts.models import Facility
from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.models import InboundMessage, Source
from interfaces.shadow import shadow_run, worklist_answers
from ledger.errors import Invalid
from tests.interfaces.hl7.conftest import say as say
from tests.interfaces.hl7.conftest import site as site
from worklist.models import Order, Patient

pytestmark = pytest.mark.django_db(transaction=True)
Say = Callable[..., bytes]


@pytest.fixture(autouse=True)
def shadow(site: Facility) -> Source:
    row = Source.objects.get()
    row.options["shadow"] = True
    row.save()
    sources.forget()
    return row


def order(
    say: Say, n: int, *, name: str = "BARS^ANNA", code: str = "1^CT head^L", modality: str = "CT"
) -> bytes:
    pid = f"PID|1||P{n}^^^GENHOSP^MR||{name}||19700102|F"
    start = "20261127103000+0000"
    obr = f"OBR|1|||{code}{'|' * 14}A{n}|RP{n}|SP{n}||||{modality}{'|' * 12}{start}"
    return say("ORM^O01", pid, f"ORC|NW|PL{n}^HIS", obr, control_id=f"m{n}")


def answer(folder: Path, n: int, **changed: str) -> None:
    """What the other system answered of an order."""
    data = Dataset()
    data.PatientName = changed.pop("PatientName", "Bars^Anna").upper()
    data.PatientID, data.AccessionNumber = f"P{n}", f"A{n}"
    step = Dataset()
    step.Modality = changed.pop("Modality", "CT")
    step.ScheduledProcedureStepID = f"SP{n}"
    step.ScheduledProcedureStepStartDate = "20261127"
    step.ScheduledProcedureStepStartTime = changed.pop("StartTime", "1130")
    data.ScheduledProcedureStepSequence = [step]
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.save_as(folder / f"rsp{n:04d}.dcm", enforce_file_format=False)


def test_what_it_sends_is_accepted_and_changes_nothing(say: Say, shadow: Source) -> None:
    wrong = order(say, 2).replace(b"ORC|NW|PL2^HIS", b"ORC|NW")
    for raw in (order(say, 1), wrong):
        assert b"MSA|AA|" in (inbox.receive(raw, peer="") or b"")
    assert not Order.objects.exists() and not Patient.objects.exists()
    rows = InboundMessage.objects.order_by("pk")
    assert [(row.status, row.ack_code, row.error_code) for row in rows] == [
        ("shadow", "AA", None),
        ("shadow", "AA", 101),
    ]
    # When it goes live, what came is applied in its order.
    shadow.options["shadow"] = False
    shadow.save()
    sources.forget()
    assert inbox.replay(rows[0]).status == "applied"
    assert Order.objects.count() == 1


def test_the_worklists_are_compared_and_differences_explained(
    say: Say, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in (1, 2, 3, 5):
        inbox.receive(order(say, n), peer="")
    inbox.receive(order(say, 4, code="X^", modality="").replace(b"ORC|NW|PL4^HIS", b"ORC|NW"), peer="")
    inbox.receive(say("ORM^O01", "ORC|CA|PL5^HIS", at=9, control_id="m5x"), peer="")
    answer(tmp_path, 1)
    answer(tmp_path, 2, StartTime="1115", PatientName="Bars^Anne")
    answer(tmp_path, 4)
    answer(tmp_path, 5)
    answer(tmp_path, 6)
    with pytest.raises(CommandError, match="differ"):
        call_command("shadow", "any", tmp_path)
    told = capsys.readouterr().out
    for line in (
        "6 messages, 1 would be refused; 5 answers, 1 alike.",
        "PatientName: ours BARS^ANNA, theirs BARS^ANNE; ours is PID-5",
        "ScheduledProcedureStepStartTime: ours 113000, theirs 111500; ours is the first of TQ1-7",
        "only theirs: A6 SP6: no message that came names this accession number",
        "only ours: A3 SP3: message m3",
        "its step is cancelled",
    ):
        assert line in told, line
    assert "only theirs: A4 SP4" in told and "would be refused: 101" in told
    assert not Order.objects.exists() and not Patient.objects.exists()


def test_alike_is_no_error(say: Say, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inbox.receive(order(say, 1), peer="")
    answer(tmp_path, 1)
    call_command("shadow", "any", tmp_path)
    assert "1 answers, 1 alike" in capsys.readouterr().out
    run = shadow_run.run("any")
    assert run.messages == 1 and len(run.entries) == 1
    assert shadow_run.run("nobody").messages == 0


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no source nobody; it has any"):
        call_command("shadow", "nobody", tmp_path)
    with pytest.raises(CommandError, match="since"):
        call_command("shadow", "any", tmp_path, since="yesterday")
    (tmp_path / "big.dcm").write_bytes(b"0" * (worklist_answers.LARGEST + 1))
    with pytest.raises(Invalid):
        list(worklist_answers.read(tmp_path))
