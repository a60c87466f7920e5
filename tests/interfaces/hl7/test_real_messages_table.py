"""What becomes of each real message of other systems: answer and effect, checked by hand against the message.

`real_messages.tsv` has a row for each: file, which message of it, MSH-9, answer (`AE 103 OBR^1^4`), what it
makes at a demo site that got nothing before, and the clause of HL7 v2.5.1 or the policy behind a refusal.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from django.db import transaction

from accounts.actor import Actor
from interfaces.hl7.inbound import inbox, sources, triggers
from interfaces.hl7.models import InboundMessage
from interfaces.hl7.syntax import er7
from interfaces.hl7.syntax.character_sets import Er7Error
from ris_pacs import site
from tests.clients.test_real_messages import FOLDER, ROOT, messages_of
from worklist.models import Patient, PatientLink, ScheduledProcedureStep, Visit

pytestmark = [
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the real messages (../shared/data/hl7) are not here"),
]
TABLE: Final = Path(__file__).with_name("real_messages.tsv")
NOT_BUILT: Final = ("AR 200 MSH^1^9", "AR 201 MSH^1^9^1^2")


class Row(NamedTuple):
    file: str
    n: int
    type: str
    answer: str
    effect: str
    why: str


def rows() -> list[Row]:
    with TABLE.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Row(**{**one, "n": int(one["n"])}) for one in reader]


def messages() -> Iterator[tuple[str, int, bytes]]:
    for path in sorted(p for p in FOLDER.rglob("*") if p.is_file()):
        for n, raw in enumerate(messages_of(path.read_bytes()), 1):
            yield str(path.relative_to(FOLDER)), n, raw


def type_of(raw: bytes) -> str:
    try:
        header = er7.read_header(raw)
    except Er7Error:
        return ""
    return "^".join(part for part in (header.message_code, header.trigger) if part)


def answered(raw: bytes) -> str:
    """The answer in short."""
    answer = inbox.receive(raw, peer="")
    if not answer:
        return "none" if answer == b"" else "closed"
    row = InboundMessage.objects.latest("id")
    return f"{row.ack_code} {row.error_code or ''} {row.error_location}".strip()


def effect() -> str:
    """All that is there."""
    steps = ScheduledProcedureStep.objects.select_related("procedure").order_by("pk")
    return "; ".join(
        [
            *(
                f"patient {one} {one.name or '-'} {one.birth_date or '-'} {one.sex or '-'}"
                for one in Patient.objects.select_related("authority").order_by("pk")
            ),
            *(
                f"{one.kind} {one.retired.value} into {one.survivor.value}"
                for one in PatientLink.objects.order_by("pk")
            ),
            *(f"visit {one.number} {one.patient_class or '-'}" for one in Visit.objects.order_by("pk")),
            *(f"step {one.procedure.code} {one.modality} {one.status}" for one in steps),
        ]
    )


def found() -> dict[tuple[str, int], tuple[str, str, str]]:
    """Type, answer and effect of each message, each at a demo site that has got nothing before."""
    sources._kept.clear()
    site.apply(ROOT / "simulator" / "site.yaml", by=Actor.system())
    told = {}
    for file, n, raw in messages():
        with transaction.atomic():
            told[file, n] = (type_of(raw), answered(raw), effect())
            transaction.set_rollback(True)
    return told


def test_each_real_message_has_its_answer_and_its_effect() -> None:
    expected = {(row.file, row.n): row for row in rows()}
    told = found()
    assert set(told) == set(expected)
    wrong = []
    for key, (kind, answer, done) in told.items():
        row = expected[key]
        is_built = tuple((kind + "^").split("^")[:2]) in triggers.TRIGGERS
        if row.answer in NOT_BUILT and is_built:
            continue  # what was refused when the table was written is taken by now
        if (kind, answer, done) != (row.type, row.answer, row.effect):
            wrong.append((*key, kind, answer, done))
    assert not wrong, "\n".join("\t".join(map(str, one)) for one in wrong)


def test_each_refusal_says_why() -> None:
    assert not [row for row in rows() if row.answer != "AA" and not row.why]
