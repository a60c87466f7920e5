"""The steps that a study is of move on with it, and back where it turns out to be of others."""

from collections.abc import Iterable

from django.utils import timezone

from archive.modality import DOCUMENTS
from archive.models import Series, Study
from archive.reconcile import order_evidence
from archive.reconcile.reconcile_policy import Policy
from worklist.models import RequestedProcedure, ScheduledProcedureStep
from worklist.schedule import image_acts


def follow(study: Study, before: frozenset[int], now: frozenset[int], origin: str, policy: Policy) -> None:
    """Move the steps of procedures that a study is linked to `now`, and take back those of `before`, and
    those that its first images have started without being of them after all.
    """
    for order in (_orders(before - now) | image_acts.moved_by(study.public_id)) - _orders(now):
        image_acts.withdrawn(
            order=order, facility=study.facility, study=study.public_id, origin=origin, at=timezone.now()
        )
        others = Study.objects.filter(procedures__order=order).exclude(pk=study.pk).distinct()
        for other in others.order_by("pk"):
            procedures = other.procedures.filter(order=order).values_list("pk", flat=True)
            _scanned(other, frozenset(procedures), origin, policy)
    _scanned(study, now, origin, policy)


def begun(study: Study, procedures: frozenset[int], policy: Policy) -> None:
    """Start the steps of procedures that the first images of a study are judged to be of."""
    _scanned(study, procedures, f"study:{study.public_id}", policy, is_quiet=False)


def has_images(study: Study) -> bool:
    """Whether it is more than what is written about an exam, such as a dose report."""
    return Series.objects.filter(study=study).exclude(modality__in=DOCUMENTS).exists()


def _scanned(
    study: Study, procedures: frozenset[int], origin: str, policy: Policy, *, is_quiet: bool = True
) -> None:
    """What is only written about an exam, such as a dose report, says nothing of its end."""
    if not procedures or not has_images(study):
        return
    steps: dict[int, list[ScheduledProcedureStep]] = {}
    rows = ScheduledProcedureStep.objects.filter(procedure__in=procedures).select_related("procedure")
    for step in rows.order_by("procedure__order", "pk"):
        steps.setdefault(step.procedure.order_id, []).append(step)
    for order, of_order in steps.items():
        image_acts.scanned(
            order=order,
            steps=[step.pk for step in _of_device(study, of_order, policy)],
            facility=study.facility,
            study=study.public_id,
            origin=origin,
            at=study.last_received_at,
            is_quiet=is_quiet,
        )


def _of_device(
    study: Study, steps: list[ScheduledProcedureStep], policy: Policy
) -> list[ScheduledProcedureStep]:
    """Of several steps, those for the study's modalities; all, where none is."""
    fitting = [step for step in steps if order_evidence.modality(study.modalities, step.modality, policy)[0]]
    return fitting or steps


def _orders(procedures: Iterable[int]) -> set[int]:
    rows = RequestedProcedure.objects.filter(pk__in=list(procedures))
    return set(rows.values_list("order_id", flat=True))
