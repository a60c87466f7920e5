"""What was sent again with another header and waits for a person: take that header, or keep the old one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from django.db.models import Exists, OuterRef

from accounts.actor import Actor
from archive.decisions.decision_type import DecisionType, Parameters, register
from archive.decisions.effects import Effect
from archive.models import Decision, ObjectVersion, Study, VersionState
from archive.storage import object_versions
from ledger import jobs
from ledger.errors import Conflict


@dataclass(frozen=True)
class ResentParameters(Parameters):
    """How many objects it is about."""

    objects: int


@dataclass(frozen=True)
class _AboutResent(DecisionType):
    """A decision on all versions of a study's objects that are held."""

    pins = False
    state: ClassVar[VersionState]
    """What it makes of them."""

    def check(self, study: Study) -> None:
        """Something waits."""
        if not object_versions.held(study).exists():
            raise Conflict("nothing of this study was sent again and waits for a decision", "versions")

    @classmethod
    def is_offered(cls, study: Study) -> bool:
        """Where something waits."""
        return object_versions.held(study).exists()

    def act(self, study: Study, by: Actor) -> ResentParameters:
        """Decide on all that waits now; what comes later waits anew."""
        rows = ObjectVersion.objects.filter(pk__in=object_versions.held(study).values("pk"))
        return ResentParameters(rows.update(state=self.state))

    def finish(self, decision: Decision, study: Study, by: Actor) -> None:
        """Note by what they were decided, and have the study built of what it now consists of."""
        rows = object_versions.of_study(study).filter(state=self.state, decision=None)
        rows = ObjectVersion.objects.filter(pk__in=rows.exclude(held_because="").values("pk"))
        rows.update(decision=decision)
        jobs.enqueue(object_versions.KIND, study.study_instance_uid)

    @classmethod
    def take_back(cls, decision: Decision, study: Study, *, reason: str, by: Actor) -> None:
        """Have them wait again, those aside for which a newer one came."""
        rows = ObjectVersion.objects.filter(decision=decision, state=cls.state)
        newer = ObjectVersion.objects.filter(instance=OuterRef("instance"), number__gt=OuterRef("number"))
        old = list(rows.filter(Exists(newer)).values_list("pk", flat=True))
        rows.exclude(pk__in=old).update(state=VersionState.HELD, decision=None)
        rows.filter(pk__in=old).update(state=VersionState.SUPERSEDED, decision=None)
        jobs.enqueue(object_versions.KIND, study.study_instance_uid)

    @classmethod
    def effects(cls, decision: Decision) -> Sequence[Effect]:
        """For how many objects."""
        count = ResentParameters.of(decision).objects
        things = f"{count} object{'s' * (count > 1)}"
        if decision.undone_at is not None:
            return [Effect("header", f"{things} that came again wait for a decision")]
        return [Effect("header", cls._says(things))]

    @classmethod
    def _says(cls, things: str) -> str:
        raise NotImplementedError


@register
@dataclass(frozen=True)
class TakeHeader(_AboutResent):
    """The header that was sent again is the objects'; the study is judged by it."""

    kind = "take_header"
    key = "9"
    title = "Take new header"
    does = "Take the header that was sent again, and check the study by it."
    done = "under the header that was sent again"
    restores = "the header from before"
    example_reason = "corrected at the modality"
    state = VersionState.TAKEN

    @classmethod
    def _says(cls, things: str) -> str:
        return f"{things} are read from what was sent again; the study is checked against the schedule anew"


@register
@dataclass(frozen=True)
class KeepHeader(_AboutResent):
    """The header that was sent again is set aside, and stays so if it comes once more."""

    kind = "keep_header"
    key = "0"
    title = "Keep header"
    does = "Set aside what was sent again with another header."
    done = "under the header that it had"
    restores = "what was sent again, as waiting"
    on_hidden = True
    needs_one_person = True
    example_reason = "sent again by mistake"
    state = VersionState.DECLINED

    @classmethod
    def _says(cls, things: str) -> str:
        return f"What came again of {things} is set aside; nothing else changes"
