"""Every link of every page that a role may see is followed: none ends at what that role may not do."""

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest
from django.urls import resolve

from accounts.models import Facility, Role
from archive.models import StudyException
from interfaces.hl7.inbound import inbox
from interfaces.hl7.inspect import work_list
from interfaces.hl7.models import Destination, InboundMessage, OutboundMessage
from tests.interfaces.hl7 import conftest as senders
from tests.web.pages.world import make_study, person, signed_in
from worklist.models import IdentityException, Order, Patient

pytestmark = pytest.mark.django_db
Say = Callable[..., bytes]
say, site = senders.say, senders.site
MOST_OF_A_KIND = 3
"""Pages of one kind that are looked at: filters and sorting of lists lead to many."""


@pytest.fixture
def paths(facility: Facility, site: Facility, say: Say) -> list[str]:
    """A day on which something of everything is there; where its pages are."""
    order = "ORC|NW|PL1^HIS", "OBR|1|PL1^HIS||70450^CT^C4" + "|" * 14 + "A1" + "|" * 6 + "CT"
    Destination.objects.create(name="HIS", host="127.0.0.1", port=2576)
    for number, name in (("P1", "BARS^ANNA"), ("P2", "OTHER^OTTO")):
        inbox.receive(say("ADT^A08", f"PID|1||{number}^^^GENHOSP^MR||{name}||19700102|F"), peer="127.0.0.1")
    for number, name in (("P1", "BARS^ANNA"), ("P2", "OTHER^OTTO"), ("P9", "NOBODY^NINA")):
        pid = f"PID|1||{number}^^^GENHOSP^MR||{name}||19700102|F"
        inbox.receive(say("ORM^O01", pid, *order), peer="127.0.0.1")
    study = make_study(facility, 1, patient=Patient.objects.get(value="P1"))
    return [
        *("/", "/worklist?status=all", "/exceptions", "/exceptions/identities", "/reading", "/messages"),
        *("/messages/work", "/messages/interfaces", "/stations", "/administration", "/turnaround"),
        *("/quality", "/transcription", "/imports", "/status", "/search?q=bars"),
        *(f"/patients/{one.public_id}" for one in Patient.objects.all()),
        *(f"/orders/{one.public_id}" for one in Order.objects.all()),
        *(f"/messages/{one.public_id}" for one in InboundMessage.objects.all()),
        *(f"/messages/{one.public_id}" for one in OutboundMessage.objects.all()),
        *(f"/messages/work/{one.key}" for one in work_list.groups()),
        *(f"/exceptions/identities/{one.public_id}" for one in IdentityException.objects.all()),
        *(f"/exceptions/{one.public_id}" for one in StudyException.objects.all()),
        f"/studies/{study.study_instance_uid}",
    ]


@pytest.mark.parametrize("role", list(Role))
def test_no_link_leads_to_what_a_role_may_not_do(facility: Facility, paths: list[str], role: Role) -> None:
    client = signed_in(person(facility, role))
    front, kinds, answers = list(paths), dict[str, int](), dict[str, int]()
    named: list[tuple[str, str]] = []
    while front:
        path = front.pop()
        response = client.get(path)
        answers[path] = response.status_code
        if response.status_code != 200 or not response["Content-Type"].startswith("text/html"):
            continue
        for link in links(response.content.decode(), path):
            kind = resolve(urlsplit(link).path).view_name
            named.append((link, path))
            if link not in answers and link not in front and kinds.get(kind, 0) < MOST_OF_A_KIND:
                kinds[kind] = kinds.get(kind, 0) + 1
                front.append(link)
    assert [f"{link} on {path}" for link, path in named if answers.get(link) == 403] == []
    assert role is Role.REFERRER or len(answers) > len(paths)


def links(page: str, path: str) -> list[str]:
    """Where the links and rows of a page lead, those of this site's pages."""
    found = []
    for target in re.findall(r'\s(?:data-)?href="([^"]*)"', page):
        whole = urljoin(path, unescape(target)).partition("#")[0]
        if whole.startswith("/") and not whole.startswith(("/static/", "/api/", "/viewer", "//")):
            found.append(whole)
    return found
