"""The workbench: trying a message out, and keeping it as a case."""

from pathlib import Path

import pytest
from django.test import Client

from accounts.models import Facility, Role, SiteSection, User
from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.models import InboundMessage, Source
from tests.web.markup import read
from tests.web.pages.world import person, receive, signed_in
from worklist.models import Order, Station

pytestmark = pytest.mark.django_db
TEXT = """MSH|^~\\&|HIS|GENHOSP|RIS|RAD|20260302080000+0000||ORM^O01|W1|P|2.5.1
PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F
ORC|NW|PL1^HIS
OBR|1|||CTCH^CT chest^L||||||||||||||A1||||||CT
"""


@pytest.fixture
def client(user: User, facility: Facility, tmp_path: Path, settings: object) -> Client:
    settings.HOME = tmp_path  # type: ignore[attr-defined]
    sources.forget()
    options = {"assigning_authority": "GENHOSP"}
    Source.objects.create(name="any", facility=facility, options=options)
    worklist = {"unknown_authorities": "accept", "unknown_procedure_codes": "accept_with_modality"}
    SiteSection.objects.create(name="hl7", content={"accept_unknown_sources": True})
    SiteSection.objects.create(name="worklist", content=worklist)
    for title, modality in (("CT1", "CT"), ("MR1", "MR")):
        Station.objects.create(ae_title=title, modalities=[modality], selection="modality", window_days=400)
    return signed_in(user)


def test_a_message_is_tried_out_and_kept_as_a_case(client: Client) -> None:
    empty = read(client.get("/messages/workbench"))
    assert "Nothing is applied" in empty and "No cases yet" in empty
    tried = read(client.post("/messages/workbench", {"text": TEXT}))
    for words in ("BARS^ANNA", "Order A1", "CT1", "MR1", "Modality", "identifier list", "AA"):
        assert words in tried, words
    assert not Order.objects.exists() and not InboundMessage.objects.exists()
    wrong = read(client.post("/messages/workbench", {"text": TEXT.replace("19700102", "yesterday")}))
    assert "102 at PID-7" in wrong and "Nothing: it is refused" in wrong
    none = read(client.post("/messages/workbench", {"text": "hello"}))
    assert 'role="alert"' in none and "MSH" in none
    kept = client.post("/messages/workbench/keep", {"text": TEXT, "name": "CT chest"}, follow=True)
    assert "Kept as CT chest.hl7" in read(kept)
    assert "be kept as a case" in read(
        client.post("/messages/workbench/keep", {"text": TEXT, "name": "../x"})
    )
    assert "All 1 cases are read as they say" in read(client.post("/messages/workbench/cases"))
    Source.objects.update(options={"assigning_authority": "ELSEWHERE", "mapping": {"modality": ["OBR-15"]}})
    sources.forget()
    differs = read(client.post("/messages/workbench/cases"))
    assert "1 of 1 cases are read otherwise" in differs and "Answer" in differs
    assert "ORM^O01" in read(client.get("/messages/workbench?case=CT chest"))
    assert client.get("/messages/workbench?case=..").status_code == 404


def test_it_says_in_words_whose_would_be_another_patients(client: Client) -> None:
    for value, name in (("P1", "ANNA"), ("P2", "BERTA")):
        inbox.receive(_adt("A04", f"PID|1||{value}^^^GENHOSP^MR||BARS^{name}"), peer="")
    merge = _adt("A40", "PID|1||P1^^^GENHOSP^MR||BARS^ANNA", "MRG|P2^^^GENHOSP^MR").decode()
    tried = read(client.post("/messages/workbench", {"text": merge.replace("\r", "\n")}))
    assert "would go from <b>P2 (BARS^BERTA)</b> to <b>P1 (BARS^ANNA)</b>" in tried


def _adt(event: str, *segments: str) -> bytes:
    msh = f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|202603020800||ADT^{event}|{hash(segments)}|P|2.5.1"
    return "\r".join([msh, *segments, ""]).encode()


def test_a_message_that_came_is_put_into_it(client: Client, facility: Facility) -> None:
    row = receive(1, raw=TEXT.replace("\n", "\r").encode())
    page = client.get(f"/messages/workbench?message={row.public_id}").content.decode()
    assert "BARS^ANNA" in page
    assert client.get("/messages/workbench?message=no").status_code == 404
    assert (
        f"/messages/workbench?message={row.public_id}"
        in client.get(f"/messages/{row.public_id}").content.decode()
    )
    others = signed_in(person(facility, Role.RADIOLOGIST))
    assert others.get("/messages/workbench").status_code == 403
    assert others.post("/messages/workbench", {"text": TEXT}).status_code == 403
