"""Quarantined objects are released into a study or discarded; what is released is checked like any object."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Facility, Role, User
from archive.dataset.part10 import open_part10
from archive.models import Instance, Quarantined, StoredFile, Study
from archive.storage import fsck, quarantine, quarantine_release, volumes
from archive.storage.intake import NotKept
from ledger import events
from ledger.errors import Forbidden, Invalid, Missing
from ledger.models import AuditEvent
from tests.actors import acting
from tests.archive.dataset.builders import encoded, image
from tests.archive.objects import files_in, indexed, take

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home", "facility")]
WHY = "the device numbers its images twice"


def quarantined(dataset: bytes, **values: Any) -> Quarantined:
    assert isinstance(take(dataset, **values), NotKept)
    return Quarantined.objects.latest("pk")


def release(user: User, *rows: Quarantined, study: Study | None = None) -> list[str]:
    done = quarantine_release.release(rows, reason=WHY, by=acting(user), study=study)
    return [one.refused for one in done]


def test_another_image_of_the_same_uid_becomes_an_object_of_its_own(user: User) -> None:
    take()
    row = quarantined(encoded(image(PixelData=bytes(32))))
    kept = quarantine.path_of(row).read_bytes()
    assert release(user, row) == [""]
    indexed()
    first, second = Instance.objects.order_by("pk")
    row.refresh_from_db()
    assert (row.state, row.released_as, row.end_reason) == ("released", second.sop_instance_uid, WHY)
    assert second.sop_instance_uid.startswith("2.25.") and first.sop_instance_uid == "1.2.3.4"
    assert (Study.objects.get().instance_count, second.index_error) == (2, "")
    path = volumes.path_of(StoredFile.objects.select_related("volume").get(instance=second))
    part10 = open_part10(path)
    assert part10.meta["MediaStorageSOPInstanceUID"] == second.sop_instance_uid
    assert b"CORRECT" in path.read_bytes() and quarantine.path_of(row).read_bytes() == kept
    assert events.timeline("quarantined", row.public_id)[0].kind == "object.released"
    assert AuditEvent.objects.filter(things__thing="1.2.3", action="U").exists()
    # Pressed twice, and by another at the same time, it is one object.
    stale = Quarantined.objects.get(pk=row.pk)
    stale.state = "kept"
    assert [bool(text) for text in (*release(user, row), *release(user, stale))] == [True, True]
    assert Instance.objects.count() == 2 and len(files_in("volumes")) == 2


def test_an_object_is_released_into_the_study_that_a_person_names(user: User) -> None:
    take()
    indexed()
    row = quarantined(encoded(image(SOPInstanceUID="1.1.1", StudyInstanceUID="")), instance="1.1.1")
    (why,) = release(user, row)
    assert "names no study" in why
    assert release(user, row, study=Study.objects.get()) == [""]
    indexed()
    assert Study.objects.get().instance_count == 2
    assert Instance.objects.get(sop_instance_uid="1.1.1").study_instance_uid == "1.2.3"


def test_what_was_announced_wrongly_is_released_byte_by_byte(user: User) -> None:
    dataset = encoded(image())
    row = quarantined(dataset, instance="1.2.3.5")
    assert release(user, row) == [""]
    file = StoredFile.objects.select_related("volume", "instance").get()
    assert file.instance.sop_instance_uid == "1.2.3.4"
    assert volumes.path_of(file).read_bytes()[file.dataset_offset :] == dataset


def test_each_of_many_stands_for_itself(user: User) -> None:
    take()
    good = quarantined(encoded(image(PixelData=bytes(32))))
    cut = quarantined(encoded(image(SOPInstanceUID="1.1.2"))[:-10], instance="1.1.2")
    gone = quarantined(encoded(image(PixelData=bytes([1] * 32))))
    quarantine.path_of(gone).unlink()
    before = Quarantined.objects.count()
    assert [text[:20] for text in release(user, cut, good, gone)] == [
        "it can't be read as ",
        "",
        "its file is not ther",
    ]
    assert Instance.objects.count() == 2 and Quarantined.objects.count() == before


def test_what_is_discarded_can_be_taken_back_and_is_removed_later(user: User) -> None:
    take()
    dataset = encoded(image(PixelData=bytes(32)))
    row = quarantined(dataset)
    by = acting(user)
    assert [one.refused for one in quarantine_release.discard([row], reason=WHY, by=by)] == [""]
    assert not quarantine.find().exists()
    take(dataset)  # the same refusal, once more
    assert not quarantine.find().exists() and len(files_in("quarantine")) == 1
    assert release(user, row)[0]
    quarantine_release.restore([row], reason="it is needed", by=by)
    assert quarantine.find().get() == row
    quarantine_release.discard([row], reason=WHY, by=by)
    fsck.check()
    assert len(files_in("quarantine")) == 1
    row.refresh_from_db()
    Quarantined.objects.update(ended_at=row.ended_at - timedelta(days=31))
    fsck.check()
    assert not files_in("quarantine") and Quarantined.objects.count() == 1


def test_it_takes_a_reason_and_the_right(user: User, facility: Facility) -> None:
    take()
    row = quarantined(encoded(image(PixelData=bytes(32))))
    reader = User.objects.create_user("r", "correct horse", roles=[Role.RADIOLOGIST])
    for act in (quarantine_release.release, quarantine_release.discard, quarantine_release.restore):
        with pytest.raises(Missing):
            act([row], reason=" ", by=acting(user))
        with pytest.raises(Invalid):
            act([row] * (quarantine_release.MOST + 1), reason=WHY, by=acting(user))
        with pytest.raises(Forbidden), transaction.atomic():
            act([row], reason=WHY, by=acting(reader))
    row.refresh_from_db()
    assert (row.state, Instance.objects.count()) == ("kept", 1)
