"""A site that takes what the demo site takes, and messages to send to it."""

import itertools
from collections.abc import Callable

import pytest

from accounts.models import Facility, SiteSection
from interfaces.hl7.inbound import sources
from interfaces.hl7.models import Source
from tests.archive.conftest import hospital  # noqa: F401

_numbers = itertools.count(1)


@pytest.fixture
def site(facility: Facility) -> Facility:
    sources._kept.clear()
    Source.objects.create(
        name="any",
        facility=facility,
        options={"assigning_authority": "GENHOSP", "processing_ids": ["*"]},
    )
    for name, content in (
        ("hl7", {"accept_unknown_sources": True}),
        ("worklist", {"unknown_authorities": "accept", "unknown_procedure_codes": "accept_with_modality"}),
    ):
        SiteSection.objects.create(name=name, content=content)
    return facility


@pytest.fixture
def say() -> Callable[..., bytes]:
    """Make a message of some segments; `kind` is MSH-9, `at` the minute after eight of MSH-7."""

    def make(
        kind: str, *segments: str, at: int = 0, control_id: str | None = None, charset: str = ""
    ) -> bytes:
        number = f"M{next(_numbers)}" if control_id is None else control_id
        time = f"202603020{800 + at:03d}00+0000"
        msh = f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|{time}||{kind}|{number}|P|2.5.1||||||{charset}"
        text = "\r".join([msh, *segments]) + "\r"
        return text.encode({"8859/1": "latin-1"}.get(charset, "utf-8"))

    return make
