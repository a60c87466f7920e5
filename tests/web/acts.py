"""Every act of people: the service that does it, and a world in which it can be done."""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import site_version, tokens, users
from accounts.actor import Actor
from accounts.models import Facility, Role, Token, User
from archive.decisions import decision_frame, second_person, undo
from archive.decisions.accept import Accept
from archive.decisions.reject import Reject
from archive.imports import import_acts
from archive.models import Decision, DecisionRequest, Import, Quarantined, Study, StudyException
from archive.storage import quarantine_release
from interfaces.hl7.inspect import bulk_replay, message_cases, message_repair, work_acts
from interfaces.hl7.models import BulkReplay, Destination, InboundMessage, OutboundMessage
from interfaces.hl7.outbound import destination_pause, outbox
from ledger import jobs
from ledger.models import Job, JobState
from reporting.dictation import audio, dictations, transcription
from reporting.models import Dictation, ReadingItem, Recheck, Report, ReportVersion
from reporting.reading_worklist import assignment
from reporting.reports import drafts, rechecks, signatures
from ris_pacs import site
from tests.actors import acting
from tests.archive.dataset.builders import encoded, image
from tests.archive.objects import take as take_object
from tests.reporting.conftest import World
from tests.web.pages.world import make_study, receive
from worklist.models import (
    IdentityException,
    IdentityExceptionKind,
    LinkKind,
    Order,
    Patient,
    PatientLink,
    ScheduledProcedureStep,
    StatusEvent,
)
from worklist.patients import identity_exceptions, record_acts, temporary_records
from worklist.patients.identifiers import Authority, Identifier
from worklist.schedule import order_entry, step_actions
from worklist.schedule.order_entry import ExamRequest, NewPerson

SECOND = b"\1\0" * 16000
CASE = b"MSH|^~\\&|HIS|GENHOSP|||20260302080000||ADT^A08|c1|P|2.5.1\r"
SITE_FILE = "facility: {code: GENHOSP, name: Another name, time_zone: UTC}\n"


class Department:
    """Things that people act on, made when they are asked for; Wanda has every role."""

    def __init__(self, world: World, facility: Facility, home: Path) -> None:
        self.world, self.facility, self.home = world, facility, home
        self.wanda = User.objects.create_user(
            "wanda", "correct horse", full_name="Wanda Weber", roles=[role.value for role in Role]
        )
        self.wanda.facilities.add(facility)

    @property
    def by(self) -> Actor:
        return acting(self.wanda)

    def do(self, service: Callable[..., Any], **values: Any) -> Any:
        with transaction.atomic():
            return service(by=self.by, **values)

    def order(self) -> Order:
        hospital = self.world.hospital
        order = hospital.order("O1", hospital.patient())
        site_version.forget()  # as the commit would, of the authority that is new
        return order

    def unknown(self) -> Patient:
        """Somebody under a temporary identifier."""
        place = self.do(
            order_entry.place,
            facility=self.facility,
            patient=NewPerson(demographics={"name": "BARS^ANNA"}),
            request=ExamRequest("71260"),
        )
        site_version.forget()
        return Patient.objects.select_related("authority", "facility").get(pk=place.patient_id)

    def linked(self) -> PatientLink:
        record, to = self.unknown(), self.order().patient
        self.do(temporary_records.link, record=record, to=to, reason="card")
        return PatientLink.objects.select_related("retired__facility", "survivor").get()

    def doubted(self) -> IdentityException:
        """A message that named another patient for an order."""
        order = self.order()
        return IdentityException.objects.create(
            facility=self.facility,
            kind=IdentityExceptionKind.OTHER_PATIENT,
            key="O1|P2",
            text="the order is another patient's",
            patient=order.patient,
            order=order,
        )

    def looked_after(self) -> IdentityException:
        row = self.doubted()
        self.do(identity_exceptions.resolve, row=row, reason="seen")
        return row

    def twin(self) -> Patient:
        """Somebody who was registered twice."""
        return self.world.hospital.patient("P2")

    def merged(self) -> PatientLink:
        record, into = self.twin(), self.order().patient
        self.do(record_acts.join, record=record, into=into, kind=LinkKind.MERGE, reason="twice")
        return PatientLink.objects.select_related("retired__facility", "survivor__authority").get()

    def step(self) -> ScheduledProcedureStep:
        order = self.order()
        return ScheduledProcedureStep.objects.get(procedure__order=order)

    def arrival(self) -> StatusEvent:
        event: StatusEvent = self.do(step_actions.change_step, step=self.step(), kind=StatusEvent.Kind.ARRIVE)
        return event

    def mismatch(self) -> Study:
        return make_study(self.facility, 7)

    def decided(self) -> StudyException:
        decision: Decision = self.do(
            decision_frame.decide, decision=Accept(), study=self.mismatch(), reason="seen"
        )
        return StudyException.objects.get(study=decision.study)

    def asked(self) -> DecisionRequest:
        """What another person asks for under a signed report."""
        study = self.mismatch()
        Study.objects.filter(pk=study.pk).update(reading_status="final")
        nina = User.objects.create_user("nina", "correct horse", roles=[Role.TECHNOLOGIST])
        nina.facilities.add(self.facility)
        with transaction.atomic():
            row = second_person.decide(Reject("113001"), study=study, reason="moved", by=acting(nina))
        assert isinstance(row, DecisionRequest)
        return row

    def brought(self) -> Import:
        """An upload that is not finished."""
        row: Import = self.do(import_acts.begin, facility=self.facility)
        self.do(import_acts.receive, row=row, name="IM1", chunks=[b"x"])
        return Import.objects.get(pk=row.pk)

    def prior(self) -> Import:
        """An import for comparison only."""
        row: Import = self.do(import_acts.begin, facility=self.facility, comparison_only=True)
        return row

    def item(self) -> ReadingItem:
        return self.world.item()

    def leased(self) -> dict[str, Any]:
        item = self.item()
        return {"item": item, "fence": self.do(assignment.take, item=item).fence}

    def done_to(self, service: Callable[..., Any], **values: Any) -> ReadingItem:
        item = self.item()
        self.do(service, item=item, **values)
        return ReadingItem.objects.get(pk=item.pk)

    def report(self) -> Report:
        return self.world.draft(self.item(), self.wanda)

    def signed(self) -> ReportVersion:
        return self.world.sign(self.report(), self.wanda)

    def recheck(self) -> Recheck:
        item = self.signed().report.item
        now = timezone.now()
        return Recheck.objects.create(
            item=item, signer=self.wanda, cause="images came", raised_at=now, due_at=now
        )

    def recording(self) -> Dictation:
        row: Dictation = self.do(dictations.begin, uuid=str(uuid.uuid4()), item=self.item())
        self.do(dictations.add_segment, dictation=row, seq=0, name=audio.write(SECOND), data=SECOND)
        return Dictation.objects.get(pk=row.pk)

    def spoken(self) -> Dictation:
        row: Dictation = self.do(dictations.finish, dictation=self.recording(), segments=1, sha256="")
        return row

    def typing(self) -> dict[str, Any]:
        row = self.do(transcription.take, dictation=self.spoken())
        return {"dictation": row, "fence": row.typing_fence}

    def with_nothing(self, there: object) -> dict[str, Any]:
        """What an act is called with that finds by itself what is there."""
        return {}

    def outbound(self, status: str) -> OutboundMessage:
        destination = Destination.objects.create(name="HIS", host="127.0.0.1", port=1)
        return OutboundMessage.objects.create(
            destination=destination,
            key="k",
            control_id="C",
            status=status,
            facts={},
            not_before=timezone.now(),
        )

    def inbound(self) -> InboundMessage:
        return receive(1, raw=b"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|20260302||ADT^A08|M1|P|2.5.1\rPID|||P1\r")

    def failed(self, **values: Any) -> InboundMessage:
        return receive(
            2, raw=b"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|20260302||ADT^A08|M2|P|2.5.1\r", status="failed", **values
        )

    def paused(self) -> Destination:
        return Destination.objects.create(name="PACS", host="h", port=1, paused_since=timezone.now())

    def failed_job(self) -> Job:
        return Job.objects.create(kind="k", key="1", state=JobState.ERROR, not_before=timezone.now())

    def quarantined(self, state: str) -> Quarantined:
        take_object(encoded(image()), instance="1.2.3.5")  # announced as another
        Quarantined.objects.update(state=state)
        return Quarantined.objects.get()

    def token(self) -> Token:
        Token.issue(user=self.wanda, name="x")
        return Token.objects.get(name="x")

    def site_file(self) -> Path:
        path = self.home / "site.yaml"
        path.write_text(SITE_FILE)
        return path


@dataclass(frozen=True)
class Act:
    """A service, the policy's word for it, what it is called with, and the audit row that it leaves."""

    service: Callable[..., Any]
    allowed: str
    given: Callable[[Department], dict[str, Any]]
    audited: tuple[str, str] | None
    of_facility: bool = True

    def __str__(self) -> str:
        return f"{self.service.__module__.rpartition('.')[2]}.{self.service.__name__}"


ORDER, PROCEDURE, PATIENT = "110109", "110111", "110110"
IMAGES, IMPORT, EXPORT, SECURITY, SYSTEM = "110103", "110107", "110106", "110113", "110100"
ITEM = (PROCEDURE, "U")
REPORT = DICTATION = (PATIENT, "U")

ACTS = (
    Act(
        order_entry.place,
        "order.place",
        lambda d: {
            "facility": d.order().facility,
            "patient": NewPerson(Identifier("P9", Authority("GENHOSP"), "MR"), {"name": "NEW^NORA"}),
            "request": ExamRequest("71260", reason="cough"),
        },
        (ORDER, "C"),
    ),
    Act(
        temporary_records.link,
        "patient.link",
        lambda d: {"record": d.unknown(), "to": d.order().patient, "reason": "card"},
        (PATIENT, "U"),
    ),
    Act(
        temporary_records.unlink,
        "patient.link",
        lambda d: {"found": d.linked(), "reason": "no"},
        (PATIENT, "U"),
    ),
    Act(
        identity_exceptions.resolve,
        "identity.decide",
        lambda d: {"row": d.doubted(), "reason": "seen"},
        (PATIENT, "U"),
    ),
    Act(
        identity_exceptions.reopen,
        "identity.decide",
        lambda d: {"row": d.looked_after(), "reason": "came again"},
        (PATIENT, "U"),
    ),
    Act(
        identity_exceptions.hand_over,
        "identity.decide",
        lambda d: {"row": d.doubted(), "to": None, "note": "ask the ward"},
        (PATIENT, "U"),
    ),
    Act(
        record_acts.join,
        "patient.merge",
        lambda d: {"record": d.twin(), "into": d.order().patient, "kind": LinkKind.MERGE, "reason": "twice"},
        (PATIENT, "U"),
    ),
    Act(record_acts.part, "patient.merge", lambda d: {"found": d.merged(), "reason": "two"}, (PATIENT, "U")),
    Act(
        record_acts.take_back,
        "patient.merge",
        lambda d: {"found": d.merged(), "reason": "a mistake"},
        (PATIENT, "U"),
    ),
    Act(
        message_cases.keep,
        "message.replay",
        lambda d: {"name": uuid.uuid4().hex, "raw": CASE},
        (EXPORT, "C"),
        of_facility=False,
    ),
    Act(import_acts.begin, "study.store", lambda d: {"facility": d.facility}, (IMPORT, "C")),
    Act(
        import_acts.receive,
        "study.store",
        lambda d: {"row": d.brought(), "name": "IM2", "chunks": [b"x"]},
        None,
    ),
    Act(import_acts.start, "study.store", lambda d: {"row": d.brought()}, None),
    Act(import_acts.stop, "study.store", lambda d: {"row": d.brought()}, (IMPORT, "U")),
    Act(import_acts.read_after_all, "study.store", lambda d: {"row": d.prior()}, (IMPORT, "U")),
    Act(
        step_actions.change_step,
        "step.change",
        lambda d: {"step": d.step(), "kind": StatusEvent.Kind.ARRIVE},
        (PROCEDURE, "U"),
    ),
    Act(
        step_actions.cancel,
        "order.cancel",
        lambda d: {"order": d.order(), "reason": "entered twice"},
        (ORDER, "U"),
    ),
    Act(step_actions.undo, "step.change", lambda d: {"act": d.arrival()}, (ORDER, "U")),
    Act(
        decision_frame.decide,
        "exception.decide",
        lambda d: {"decision": Accept(), "study": d.mismatch(), "reason": "seen"},
        (IMAGES, "U"),
    ),
    Act(
        undo.undo,
        "exception.decide",
        lambda d: {"exception": d.decided(), "reason": "was wrong"},
        (IMAGES, "U"),
    ),
    Act(
        second_person.decide,
        "exception.decide",
        lambda d: {"decision": Accept(), "study": d.mismatch(), "reason": "seen"},
        (IMAGES, "U"),
    ),
    Act(
        second_person.undo,
        "exception.decide",
        lambda d: {"exception": d.decided(), "reason": "was wrong"},
        (IMAGES, "U"),
    ),
    Act(
        second_person.confirm,
        "exception.decide",
        lambda d: {"request": d.asked(), "reason": "looked too"},
        (IMAGES, "U"),
    ),
    Act(
        second_person.decline,
        "exception.decide",
        lambda d: {"request": d.asked(), "reason": "looked too"},
        (IMAGES, "U"),
    ),
    Act(assignment.next_item, "report.write", lambda d: d.with_nothing(d.item()), ITEM, of_facility=False),
    Act(assignment.take, "report.write", lambda d: {"item": d.item()}, ITEM),
    Act(assignment.renew, "report.write", lambda d: d.leased(), None),
    Act(assignment.park, "report.write", lambda d: d.leased(), ITEM),
    Act(assignment.let_go, "report.write", lambda d: d.leased(), ITEM),
    Act(assignment.skip, "report.write", lambda d: {"item": d.item(), "reason": "not mine"}, ITEM),
    Act(assignment.reserve, "report.write", lambda d: {"item": d.item()}, ITEM),
    Act(assignment.hold, "report.write", lambda d: {"item": d.item(), "reason": "images missing"}, ITEM),
    Act(
        assignment.resume,
        "report.write",
        lambda d: {"item": d.done_to(assignment.hold, reason="images missing")},
        ITEM,
    ),
    Act(assignment.withdraw, "report.write", lambda d: {"item": d.item(), "reason": "a phantom"}, ITEM),
    Act(
        assignment.reopen,
        "report.write",
        lambda d: {"item": d.done_to(assignment.withdraw, reason="a phantom")},
        ITEM,
    ),
    Act(
        assignment.confirm_patient,
        "report.write",
        lambda d: {"item": (item := d.item()), "revision": item.revision},
        ITEM,
    ),
    Act(drafts.begin, "report.write", lambda d: {"item": d.item()}, (PATIENT, "C")),
    Act(
        drafts.save,
        "report.write",
        lambda d: {"report": d.report(), "sections": {"findings": "More."}, "revision": 1},
        (PATIENT, "R"),
    ),
    Act(
        drafts.keep,
        "report.write",
        lambda d: {"report": d.report(), "sections": {}, "revision": 1, "reason": "taken over"},
        REPORT,
    ),
    Act(
        drafts.draft_addendum,
        "report.write",
        lambda d: {"report": d.signed().report, "text": "One more thing."},
        REPORT,
    ),
    Act(
        signatures.sign,
        "report.sign_preliminary",
        lambda d: {"report": d.report(), "revision": 1, "kind": "preliminary"},
        REPORT,
    ),
    Act(
        signatures.preview,
        "report.sign_preliminary",
        lambda d: {"report": d.report(), "kind": "preliminary"},
        (PATIENT, "R"),
    ),
    Act(signatures.undo, "report.sign_preliminary", lambda d: {"version": d.signed()}, REPORT),
    Act(rechecks.still_valid, "report.sign", lambda d: {"recheck": d.recheck()}, REPORT),
    Act(
        dictations.begin,
        "report.write",
        lambda d: {"uuid": str(uuid.uuid4()), "item": d.item()},
        (PATIENT, "C"),
    ),
    Act(
        dictations.add_segment,
        "report.write",
        lambda d: {"dictation": d.recording(), "seq": 1, "name": audio.write(SECOND), "data": SECOND},
        None,
    ),
    Act(
        dictations.finish,
        "report.write",
        lambda d: {
            "dictation": d.recording(),
            "segments": 1,
            "sha256": hashlib.sha256(SECOND).hexdigest(),
        },
        DICTATION,
    ),
    Act(
        dictations.discard,
        "report.write",
        lambda d: {"dictation": d.recording(), "reason": "noise"},
        DICTATION,
    ),
    Act(dictations.reclaim, "report.write", lambda d: {"dictation": d.spoken()}, DICTATION),
    Act(
        transcription.next_dictation,
        "transcription.type",
        lambda d: d.with_nothing(d.spoken()),
        DICTATION,
        of_facility=False,
    ),
    Act(transcription.take, "transcription.type", lambda d: {"dictation": d.spoken()}, DICTATION),
    Act(transcription.renew, "transcription.type", lambda d: d.typing(), None),
    Act(
        transcription.save,
        "transcription.type",
        lambda d: {"dictation": d.spoken(), "sections": {"findings": "Said."}, "revision": 1},
        None,
    ),
    Act(
        transcription.finish,
        "transcription.type",
        lambda d: {"dictation": d.spoken(), "sections": {"findings": "Said."}, "revision": 1},
        DICTATION,
    ),
    Act(
        transcription.give_back,
        "transcription.type",
        lambda d: {"dictation": d.spoken(), "reason": "no audio", "note": ""},
        DICTATION,
    ),
    Act(
        message_repair.replay,
        "message.replay",
        lambda d: {"original": d.inbound(), "reason": "catalogue was wrong"},
        (IMPORT, "E"),
        of_facility=False,
    ),
    *(
        Act(
            service,
            "message.replay",
            lambda d, status=status: {"message": d.outbound(status), "reason": "told so"},  # type: ignore[misc]
            (EXPORT, "E"),
            of_facility=False,
        )
        for service, status in (
            (outbox.resend, "delivered"),
            (outbox.hold, "waiting"),
            (outbox.release, "held"),
            (outbox.skip, "waiting"),
        )
    ),
    *(
        Act(
            service,
            "message.replay",
            lambda d, more=more: {"messages": [d.failed()], **more},  # type: ignore[misc]
            (IMPORT, "U"),
            of_facility=False,
        )
        for service, more in (
            (work_acts.done, {}),
            (work_acts.ignore, {"reason": "a test"}),
            (work_acts.assign, {"to": None}),
        )
    ),
    Act(
        work_acts.put_back,
        "message.replay",
        lambda d: {"messages": [d.failed(settled="ignored")]},
        (IMPORT, "U"),
        of_facility=False,
    ),
    Act(
        bulk_replay.begin,
        "message.replay",
        lambda d: {"messages": [d.failed()], "reason": "catalogue was wrong"},
        (IMPORT, "E"),
        of_facility=False,
    ),
    *(
        Act(
            service,
            "message.replay",
            lambda d, state=state: {"run": BulkReplay.objects.create(total=0, state=state)},  # type: ignore[misc]
            (IMPORT, "E"),
            of_facility=False,
        )
        for service, state in ((bulk_replay.stop, "running"), (bulk_replay.go_on, "stopped"))
    ),
    Act(
        destination_pause.pause,
        "message.replay",
        lambda d: {"destination": d.outbound("waiting").destination, "reason": "they move"},
        (EXPORT, "E"),
        of_facility=False,
    ),
    Act(
        destination_pause.resume,
        "message.replay",
        lambda d: {"destination": d.paused()},
        (EXPORT, "E"),
        of_facility=False,
    ),
    Act(
        outbox.try_now,
        "message.replay",
        lambda d: {"destination": d.outbound("waiting").destination},
        (EXPORT, "E"),
        of_facility=False,
    ),
    Act(
        users.make,
        "user.manage",
        lambda d: {
            "username": "nora",
            "full_name": "Nora",
            "roles": ["manager"],
            "facilities": [],
            "password": "seven green bottles 7",
        },
        (SECURITY, "U"),
        of_facility=False,
    ),
    Act(
        users.change,
        "user.manage",
        lambda d: {
            "user": d.wanda,
            "full_name": "Wanda Maria Weber",
            "roles": d.wanda.roles,
            "facilities": [d.facility],
            "is_active": True,
        },
        (SECURITY, "U"),
        of_facility=False,
    ),
    Act(
        users.set_password,
        "user.manage",
        lambda d: {"user": d.wanda, "password": "seven green bottles 7"},
        (SECURITY, "U"),
        of_facility=False,
    ),
    Act(
        tokens.issue,
        "user.manage",
        lambda d: {"user": d.wanda, "name": "script"},
        (SECURITY, "U"),
        of_facility=False,
    ),
    Act(tokens.revoke, "user.manage", lambda d: {"token": d.token()}, (SECURITY, "U"), of_facility=False),
    *(
        Act(
            service,
            "quarantine.decide",
            lambda d, state=state: {"rows": [d.quarantined(state)], "reason": "seen"},
            (IMAGES, "U"),
            of_facility=False,
        )
        for service, state in (
            (quarantine_release.release, "kept"),
            (quarantine_release.discard, "kept"),
            (quarantine_release.restore, "discarded"),
        )
    ),
    Act(jobs.try_again, "job.retry", lambda d: {"job": d.failed_job()}, (SYSTEM, "E"), of_facility=False),
    Act(site.apply, "site.change", lambda d: {"path": d.site_file()}, (SECURITY, "U"), of_facility=False),
)
