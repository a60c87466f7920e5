"""What people read for a value of the domain stands beside the value, once, and for each of them."""

import pytest

from accounts import access
from accounts.models import Role
from archive.modality import DOCUMENTS, NOT_ACQUIRED, UNSPECIFIC
from archive.reconcile.order_evidence import COMPARED
from archive.reconcile.reconcile_policy import FIELDS
from ledger import jobs
from reporting.models import Owner
from web.templatetags.pages import priority_words
from worklist.models import PRESSING, Priority, Sex


@pytest.mark.parametrize("kind", sorted(jobs.kinds()))
def test_each_kind_of_job_says_what_it_does(kind: str) -> None:
    words = jobs.words_of(kind)
    assert words[:1].isupper() and " " in words and kind not in words


def test_a_kind_of_job_that_nobody_does_is_called_by_its_name() -> None:
    assert jobs.words_of("of.an.older.version") == "of.an.older.version"


def test_each_role_says_what_it_may() -> None:
    assert access.DUTIES.keys() == set(Role)


def test_each_field_of_the_evidence_has_a_weight_and_a_name() -> None:
    assert set(COMPARED) < set(FIELDS)
    assert all(field.title for field in FIELDS.values())


def test_priorities_are_in_the_order_of_their_urgency() -> None:
    assert tuple(Priority)[:2] == PRESSING
    assert Priority.most_urgent(["LOW", "HIGH", "ROUTINE"]) == Priority.HIGH
    assert Priority.most_urgent(["LOW"]) == Priority.LOW
    assert Priority.most_urgent([]) == Priority.ROUTINE
    assert [priority_words(one) for one in Priority.values] == ["STAT", "urgent", "routine", "medium", "low"]


def test_sexes_and_owners_are_said_in_plain_words() -> None:
    assert Sex.labels == ["male", "female", "other"]
    assert Owner.TYPIST.label == "in transcription"


def test_groups_of_modalities_contain_each_other() -> None:
    assert {"SR", "KO"} <= DOCUMENTS < NOT_ACQUIRED < UNSPECIFIC
    assert not UNSPECIFIC & {"CT", "MR", "CR", "DX", "US", "MG", "NM", "PT", "XA"}
