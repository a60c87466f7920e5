"""The job `reporting.render`: a PDF and an SR of a released version, kept in each study that it is about.

They are made outside any transaction and taken in like any other object. Doing it again finds what is there
already; a full disk delays the copies, never the signature.
"""

import logging
from datetime import timedelta
from typing import Any, Final

from archive.storage import generated_objects
from archive.storage.intake import NotKept, Reason
from ledger import clock, events, jobs
from ledger.crashpoint import crashpoint
from reporting import reporting_events
from reporting.models import ReportVersion
from reporting.reading_worklist import reading_status
from reporting.rendering import encapsulated_pdf, rendered_objects, sr
from reporting.rendering.composition import Document, compose
from reporting.rendering.rendered_objects import Place
from reporting.rendering.typesetting import FontsMissing
from reporting.reports.release_job import RENDER

logger = logging.getLogger(__name__)

KIND: Final = RENDER
TRY_AGAIN: Final = timedelta(seconds=60)


class NotTaken(Exception):
    """The archive refuses an object that we made."""


def register() -> None:
    """Say how versions are rendered; called from `AppConfig.ready()`."""
    words = "Make PDF and SR of a report"
    jobs.register(KIND, jobs.Handler(prepare=prepare, apply=apply, words=words))


def prepare(claim: jobs.Claim) -> ReportVersion | None:
    """Make and keep the objects. Raises `jobs.Retry` while there is no room, `NotTaken` if one is refused."""
    version = _version(claim.key)
    if version is None or version.undone_at is not None:
        return None
    document = compose(version)
    for place in rendered_objects.places(document):
        for modality in (sr.MODALITY, encapsulated_pdf.MODALITY):
            _keep(document, place, version, modality)
            if not jobs.renew(claim):
                raise jobs.ClaimLost
            crashpoint("report.after_object")
    return version


def apply(claim: jobs.Claim, prepared: Any) -> None:
    """Note that the copies are there, once."""
    if prepared is None:
        return
    rows = ReportVersion.objects.filter(pk=prepared.pk, stored_at=None)
    if rows.update(stored_at=clock.now()):
        about = [("report", prepared.report.public_id), *reading_status.things(prepared.report.item)]
        events.record(
            reporting_events.STORED,
            about=about,
            source=f"version:{prepared.public_id}",
            version=prepared.number,
        )


def _version(public_id: str) -> ReportVersion | None:
    rows = ReportVersion.objects.select_related("report__item__patient")
    return rows.filter(public_id=public_id).first()


def _keep(document: Document, place: Place, version: ReportVersion, modality: str) -> None:
    uid = rendered_objects.instance_uid(version.public_id, place.study_instance_uid, modality)
    if generated_objects.is_kept(uid):
        return  # images that came since would make its evidence another
    if modality == sr.MODALITY:
        dataset = sr.build(document, place, version)
    else:
        dataset = _encapsulated(document, place)
    class_uid = str(dataset.SOPClassUID)
    outcome = generated_objects.keep(
        rendered_objects.encode(dataset), sop_class_uid=class_uid, sop_instance_uid=uid
    )
    if not isinstance(outcome, NotKept):
        return
    logger.warning("a copy of version %s is not taken: %s", version.public_id, outcome.comment)
    if outcome.reason is Reason.OUT_OF_RESOURCES:
        raise jobs.Retry(outcome.comment, TRY_AGAIN)
    raise NotTaken(f"{outcome.reason.value}: {outcome.comment}")


def _encapsulated(document: Document, place: Place) -> Any:
    try:
        return encapsulated_pdf.build(document, place)
    except FontsMissing as missing:
        raise jobs.Retry(str(missing), TRY_AGAIN) from missing
