"""Which site file is used, and that the one to begin with lets nobody in whom it doesn't name."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

import ris_pacs.settings
from accounts.actor import Actor
from accounts.models import Facility, SiteSection
from interfaces.dicom import peers
from interfaces.dicom.message_exchange.dimse_service import Peer
from interfaces.dicom.upper_layer.acceptor_config import AssociationRequest
from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.models import Destination, Source
from ledger.errors import UnknownCode
from ris_pacs import site
from ris_pacs.management.commands import run
from worklist.models import AssigningAuthority
from worklist.patients import identity
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance
from worklist.worklist_policy import WorklistPolicy

# Which file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ris_pacs.settings, "HOME", tmp_path)
    monkeypatch.delenv("RIS_PACS_SITE", raising=False)
    return tmp_path


def test_what_the_environment_names_comes_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "site.yaml").touch()
    monkeypatch.setenv("RIS_PACS_SITE", str(home / "other.yaml"))
    assert ris_pacs.settings._site_file() == home / "other.yaml"


def test_then_the_homes_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "site.yaml").touch()
    assert ris_pacs.settings._site_file() == home / "site.yaml"
    monkeypatch.setenv("RIS_PACS_SITE", "")
    assert ris_pacs.settings._site_file() == home / "site.yaml"


def test_a_link_to_nowhere_is_not_passed_over_for_one_that_lets_everybody_in(home: Path) -> None:
    (home / "site.yaml").symlink_to(home / "gone.yaml")
    assert ris_pacs.settings._site_file() == home / "site.yaml"


def test_the_demo_site_is_used_only_where_there_is_no_other(home: Path) -> None:
    assert ris_pacs.settings._site_file() == settings.DEMO_SITE


def test_the_demo_site_says_that_it_is_one_and_how_to_begin_a_strict_one(settings: Any) -> None:
    settings.SITE_FILE = settings.DEMO_SITE
    for with_hospital in (False, True):
        text = run._about_site(with_hospital=with_hospital)
        assert "demo site" in text and "lets everybody in" in text and "manage.py site new" in text
    assert "the demo site" in run._welcome(["web"], None, [])


def test_another_site_is_named_and_needs_no_line(settings: Any) -> None:
    settings.SITE_FILE = Path("/srv/site.yaml")
    assert run._about_site(with_hospital=False) == ""
    assert "/srv/site.yaml" in run._about_site(with_hospital=True)
    assert "  site     /srv/site.yaml" in run._welcome(["web"], None, [])


# A new one


def new(*arguments: str) -> str:
    out = io.StringIO()
    call_command("site", "new", *arguments, stdout=out)
    return out.getvalue()


def test_a_new_site_file_is_right_and_is_used_from_the_next_start(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RIS_PACS_SITE", raising=False)
    settings.HOME = tmp_path / "home"
    assert "from its next start" in new()
    call_command("site", "check", tmp_path / "home" / "site.yaml", stdout=io.StringIO())
    assert "set RIS_PACS_SITE=" in new(str(tmp_path / "elsewhere" / "site.yaml"))
    site.read(tmp_path / "elsewhere" / "site.yaml")


def test_a_site_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("mine")
    with pytest.raises(CommandError, match="is there already"):
        new(str(path))
    assert path.read_text() == "mine"


def test_a_site_file_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="can't be written"):
        new(str(tmp_path / "file" / "site.yaml"))


def test_its_examples_are_right_too(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(re.sub(r"^#(?=  )", "", settings.DEFAULT_SITE.read_text(), flags=re.MULTILINE))
    found, _ = site.read(path)
    for entries in (
        (found.worklist.authorities, found.worklist.stations, found.worklist.procedures),
        (found.hl7.sources, found.hl7.destinations, found.reporting.templates, found.reporting.macros),
    ):
        assert all(len(some) == 1 for some in entries)


def test_what_a_file_leaves_out_is_as_strict(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("facility: {code: HOSPITAL, name: Our hospital}\n")
    assert site.read(path)[0] == site.read(settings.DEFAULT_SITE)[0]


# Whom it lets in


@pytest.fixture
def strict(db: None) -> None:
    sources._kept.clear()
    site.apply(settings.DEFAULT_SITE, by=Actor.system())


@pytest.fixture
def lax(db: None) -> None:
    sources._kept.clear()
    site.apply(settings.DEMO_SITE, by=Actor.system())


def _order(authority: str = "ELSEWHERE", code: str = "X1") -> bytes:
    segments = (
        "MSH|^~\\&|SOMEBODY|ELSEWHERE|RIS|RAD|20260302080000||ORM^O01^ORM_O01|1|P|2.5.1",
        f"PID|1||1^^^{authority}^MR||BARS^ANNA||19700102|F",
        "ORC|NW|PL1^HIS|FL1^RIS||SC",
        f"OBR|1|PL1^HIS|FL1^RIS|{code}^CT^C4||||||||||||||A1||||||CT",
    )
    return "".join(segment + "\r" for segment in segments).encode()


def _answer(message: bytes) -> str:
    answer = inbox.receive(message, peer="127.0.0.1") or b""
    return next(part for part in answer.decode().split("\r") if part.startswith("MSA"))[:6]


def _stranger() -> Peer:
    return Peer("STRANGER", "RISPACS", "127.0.0.1", 11112, "", "", None)


def _associates() -> bool:
    request = AssociationRequest(_stranger(), ("1.2.840.10008.1.1",))
    return peers.authorize(request) is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("strict")
def test_strangers_are_not_let_in() -> None:
    assert not _associates()
    assert _answer(_order()) == "MSA|AR"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("strict")
def test_a_known_sender_names_neither_authorities_nor_codes_that_the_site_does_not() -> None:
    sender = {"application": "SOMEBODY", "facility_name": "ELSEWHERE", "facility": Facility.objects.get()}
    Source.objects.create(name="HIS", **sender)
    assert _answer(_order()) == "MSA|AE"
    AssigningAuthority.objects.create(namespace="ELSEWHERE")
    assert _answer(_order().replace(b"|1|P|", b"|2|P|")) == "MSA|AE"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("lax")
def test_the_demo_site_lets_everybody_in_from_this_machine() -> None:
    assert _associates()
    assert _answer(_order()) == "MSA|AA"


@pytest.mark.django_db(transaction=True)
def test_whom_another_site_file_let_in_is_not_let_in_by_this_one(lax: None, strict: None) -> None:
    order = _order().replace(b"SOMEBODY|ELSEWHERE", b"HIS|GENHOSP")
    assert _answer(order) == "MSA|AR"
    assert not _associates()
    assert not Destination.objects.filter(is_active=True).exists(), "nor is anybody told of reports"
    assert site.apply(settings.DEFAULT_SITE, by=Actor.system()) == []
    site.apply(settings.DEMO_SITE, by=Actor.system())
    assert Destination.objects.get().is_active


def test_where_no_site_was_applied_nothing_unknown_is_accepted(provenance: Callable[..., Provenance]) -> None:
    assert SiteSection.read("worklist") == {}
    with pytest.raises(UnknownCode):
        identity.register(
            provenance=provenance(policy=WorklistPolicy.current()),
            identifiers=[Identifier("1", Authority("X"), "MR")],
            demographics={},
        )
