"""The search box: what it finds, where one hit leads, and what it says where there is none."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Facility, Role, User
from ledger.models import AuditEvent
from tests.web.markup import read
from tests.web.pages.world import make_study, person, place_order, register, signed_in
from worklist.change_set import Link, Merge, Tie
from worklist.models import Order, Patient, RequestedProcedure
from worklist.patients import identity, patient_search
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance

pytestmark = pytest.mark.django_db
Make = Callable[..., Provenance]


def leads(user: User, text: str) -> str:
    """Where a search leads: a path, or nothing where it doesn't lead to one thing."""
    response = signed_in(user).get("/search", {"q": text})
    return response.headers.get("Location", "") if response.status_code == 302 else ""


@pytest.mark.parametrize(
    "text", ["P1", "p1", "P1^^^GENHOSP", "BARS", "bars, anna", "Anna Bars", " bars  anna ", "ars"]
)
def test_one_patient_is_opened(user: User, provenance: Make, text: str) -> None:
    patient = register(provenance(), "P1")
    register(provenance(), "P2", "CURIE^MARIE")
    assert leads(user, text) == f"/patients/{patient.public_id}"


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("Müller^Jörg", ["müller", "MULLER", "Mueller, Joerg", "muller jorg", "Jörg Müller", "mülle"]),
        ("Mueller^Joerg", ["Müller", "müller, jörg", "Mueller"]),
        ("Strauß^Änne", ["strauss", "STRAUSS, AENNE", "Strauß"]),
        ("GARCIA MARQUEZ^JOSE", ["garcia marquez", "Jose Garcia Marquez", "García Márquez"]),
        (
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            ["yamada", "山田", "山田太郎", "山田 太郎", "やまだ", "ヤマダ", "ﾔﾏﾀﾞ"],
        ),
        ("محمد^أحمد", ["محمد", "محمد أحمد", "أحمد محمد", "مُحَمَّد"]),
        ("أحمد^علي", ["أحمد", "احمد"]),
        ("O'BRIEN^PAT", ["o'brien"]),
        ("Sørensen^Łukasz", ["sorensen", "Soerensen, Lukasz", "lukasz sorensen", "Sörensen", "SØRENSEN"]),
        ("Françoise-Dvořák^Zoë", ["francoise", "Francoise-Dvorak, Zoe", "dvorak", "FRANÇOISE"]),
        ("Đorđević^Æsa", ["dordevic", "Dordevic, Aesa", "Đorđević"]),
        ("Garcia^Jose", ["García, José", "gárcía"]),
        ("Nguyễn^Thị Hằng", ["nguyen", "Nguyen, Thi Hang"]),
    ],
)
def test_names_are_found_in_every_script_and_spelling(
    user: User, provenance: Make, name: str, texts: list[str]
) -> None:
    patient = register(provenance(), "P1", name)
    register(provenance(), "P2", "OTHER^SOMEBODY=別^人=べつ^ひと")
    for text in texts:
        assert leads(user, text) == f"/patients/{patient.public_id}", text


def test_an_identifier_that_names_no_record_is_found_too(user: User, provenance: Make) -> None:
    with transaction.atomic():
        patient = identity.register(
            provenance=provenance(),
            identifiers=[
                Identifier("P1", Authority("GENHOSP"), "MR"),
                Identifier("078-05-1120", Authority("SSA"), "SS"),
            ],
            demographics={"name": "BARS^ANNA"},
        )
    assert leads(user, "078-05-1120") == f"/patients/{patient.public_id}"
    assert leads(user, "078-05-112") == ""


def test_a_retired_identifier_leads_to_the_record_that_shows(user: User, provenance: Make) -> None:
    old, new = register(provenance(), "OLD"), register(provenance(), "NEW")
    with transaction.atomic():
        survivor, retired = (Identifier(v, Authority("GENHOSP"), "MR") for v in ("NEW", "OLD"))
        identity.merge(provenance=provenance(5), survivor=survivor, retired=retired)
    assert leads(user, "OLD") == f"/patients/{new.public_id}"
    page = read(signed_in(user).get(f"/patients/{old.public_id}"))
    assert "OLD was merged into this record" in page


@pytest.mark.parametrize(
    ("how", "tag", "words", "use"),
    [
        (Merge, "merged", "JF was merged into this record.", "merged into JC"),
        (Link, "linked", "JF is linked to this record; both numbers are in use.", "linked to the first"),
        (None, "same person", "JF came in one message with a number", "came in one message with the first"),
    ],
)
def test_the_page_says_how_two_numbers_are_one_person(
    user: User, provenance: Make, how: type[Tie] | None, tag: str, words: str, use: str
) -> None:
    """A link, or a message with both, retires no number."""
    both = [Identifier("JC", Authority("GENHOSP"), "MR"), Identifier("JF", Authority("MPI"), "MR")]
    with transaction.atomic():
        if how is None:
            identity.register(provenance=provenance(), identifiers=both, demographics={})
        else:
            identity.tie(provenance=provenance(), tie=how(*both))
    client = signed_in(user)
    one, other = (Patient.objects.get(value=number) for number in ("JC", "JF"))
    of_other, of_one = (read(client.get(f"/patients/{row.public_id}")) for row in (other, one))
    assert words in of_other and "Also this person: JF" in of_one
    for page in (of_other, of_one):
        assert use in page and f'<span class="tag">{tag}</span>' in page
        assert how is Merge or "was merged" not in page


@pytest.mark.parametrize("text", ["A1", "PL1", "PL1^HIS"])
def test_an_order_is_found_by_its_numbers(user: User, provenance: Make, text: str) -> None:
    order = place_order(provenance(), "1")
    place_order(provenance(), "2")
    assert leads(user, text) == f"/orders/{order.public_id}"


def test_an_order_is_found_by_the_study_uid_that_is_planned_for_it(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    uid = RequestedProcedure.objects.get(order=order).study_instance_uid
    assert leads(user, uid) == f"/orders/{order.public_id}"


@pytest.mark.parametrize("text", ["4711", "004711", "0004711"])
def test_an_accession_number_is_found_without_its_zeros(
    user: User, provenance: Make, facility: Facility, text: str
) -> None:
    order = place_order(provenance(), "1")
    type(order).objects.update(accession_number="0004711")
    RequestedProcedure.objects.update(accession_number="0004711")
    assert leads(user, text) == f"/orders/{order.public_id}"
    make_study(facility, 7, accession_number="00815")
    assert leads(user, "815") == "/studies/2.25.7"


def test_numbers_that_differ_in_their_zeros_are_both_listed(user: User, facility: Facility) -> None:
    make_study(facility, 7, accession_number="00815")
    make_study(facility, 8, accession_number="815")
    for text in ("815", "00815"):
        assert "2 hits" in read(signed_in(user).get("/search", {"q": text}))


@pytest.mark.parametrize(
    "text",
    [
        *("1980-05-14", "19800514", "1980/5/14", "14.05.1980", "14.5.1980", "14/05/1980", "05/14/1980"),
        *("14-5-80", "14.5.80", "14 May 1980", "14. may 1980", "May 14, 1980", "14-MAY-1980"),
    ],
)
def test_a_patient_is_found_by_the_birth_date_as_people_type_it(
    user: User, provenance: Make, text: str
) -> None:
    patient = register(provenance(), "P1", birth_date="19800514")
    register(provenance(), "P2", "CURIE^MARIE", birth_date="19800515")
    assert leads(user, text) == f"/patients/{patient.public_id}"


@pytest.mark.parametrize("text", ["bars 2.1.1970", "1970-01-02 Bars, Anna", "anna bars 02 Jan 1970"])
def test_a_name_and_a_birth_date_find_whom_both_fit(user: User, provenance: Make, text: str) -> None:
    for number, name, born in (("1", "BARS^ANNA", "19700102"), ("2", "BARS^ANNA", "19350517")):
        register(provenance(), number, name, birth_date=born)
    register(provenance(), "3", "REAL^RITA", birth_date="19700102")
    answer = signed_in(user).get("/search", {"q": text})
    wanted = Patient.objects.get(value="1")
    assert answer.status_code == 302 and answer["Location"] == f"/patients/{wanted.public_id}"


def test_a_birth_date_that_can_be_read_in_two_ways_finds_both(user: User, provenance: Make) -> None:
    register(provenance(), "P1", birth_date="19800405")
    register(provenance(), "P2", "CURIE^MARIE", birth_date="19800504")
    assert "2 hits" in read(signed_in(user).get("/search", {"q": "04/05/1980"}))


PARTS = ["7733", "gh77", "GH7733X", "733x", "H773"]


@pytest.mark.parametrize("text", PARTS)
@pytest.mark.parametrize("kind", ["patient", "accession", "placer", "study"])
def test_a_part_of_an_identifier_is_enough(
    user: User, provenance: Make, facility: Facility, kind: str, text: str
) -> None:
    if kind == "patient":
        path = f"/patients/{register(provenance(), 'ZGH7733X9', 'KURZ^LENA').public_id}"
    elif kind == "study":
        path = f"/studies/{make_study(facility, 1, accession_number='ZGH7733X9').study_instance_uid}"
    else:
        order = place_order(provenance(), "1")
        path = f"/orders/{order.public_id}"
        if kind == "accession":
            Order.objects.update(accession_number="ZGH7733X9")
        else:
            order.numbers.update(value="ZGH7733X9")
    assert leads(user, text) == path


@pytest.mark.parametrize("text", ["773", "GHX", "7734", "ZGH7733X99", "%7733", "7_33"])
def test_three_characters_or_another_part_find_nothing(user: User, provenance: Make, text: str) -> None:
    register(provenance(), "ZGH7733X9", "KURZ^LENA")
    assert leads(user, text) == ""


def test_of_many_records_only_the_newest_are_read_for_a_part(
    user: User, provenance: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_search, "MOST_READ", 1)
    register(provenance(), "ZGH7733X1", "KURZ^LENA")
    newest = register(provenance(), "ZGH7733X2", "KURZ^LINA")
    assert leads(user, "GH7733") == f"/patients/{newest.public_id}"


def test_a_study_is_found_by_its_uid_and_its_accession_number(user: User, facility: Facility) -> None:
    make_study(facility, 7)
    assert leads(user, "2.25.7") == leads(user, "S7") == "/studies/2.25.7"


def test_several_hits_are_listed(user: User, provenance: Make, facility: Facility) -> None:
    register(provenance(), "P1", "BARS^ANNA")
    register(provenance(), "P2", "BARSKY^BEN=<b>^x")
    page = read(signed_in(user).get("/search", {"q": "bars"}))
    assert "2 hits" in page and "BARS, ANNA" in page and "BARSKY, BEN" in page and "<b>^" not in page
    place_order(provenance(), "X")
    make_study(facility, 7, accession_number="AX")
    page = read(signed_in(user).get("/search", {"q": "AX"}))
    assert "Orders" in page and "Studies" in page


def test_no_hit_says_as_what_it_was_looked_up(user: User) -> None:
    page = read(signed_in(user).get("/search", {"q": "<script>x"}))
    assert "No results for “&lt;script&gt;x”" in page
    assert "identifier of a patient, accession number, number of an order or a step, birth date, name" in page


@pytest.mark.parametrize(
    "text", ["", "\0", "\0\0 \t", "^", "=", "*", "'", '"', "%", "\\", "(", "1.2.3", "x" * 200, "🙂"]
)
def test_odd_texts_are_no_error(user: User, text: str) -> None:
    assert signed_in(user).get("/search", {"q": text}).status_code == 200


def test_a_text_that_is_too_long_is_said_to_be(user: User) -> None:
    response = signed_in(user).get("/search", {"q": "x" * 100_000})
    assert response.status_code == 200 and b"too long" in response.content
    assert len(response.content) < 20_000


def test_what_is_another_facilitys_is_not_found(user: User, provenance: Make) -> None:
    other = Facility.objects.create(code="OTHER", name="Other Hospital")
    place_order(provenance(facility=other), "1")
    make_study(other, 7)
    for text in ("P1", "BARS", "A1", "PL1", "2.25.7", "S7"):
        assert leads(user, text) == ""


def test_each_role_finds_what_it_may_see(facility: Facility, provenance: Make) -> None:
    register(provenance(), "P1")
    assert leads(person(facility, Role.TECHNOLOGIST), "P1")
    assert signed_in(person(facility, Role.REFERRER)).get("/search?q=P1").status_code == 403


def test_whose_records_show_is_audited(user: User, provenance: Make) -> None:
    patient = register(provenance(), "P1")
    signed_in(user).get("/search", {"q": "P1"})
    named = [thing["id"] for row in AuditEvent.objects.filter(action="R") for thing in row.objects_named]
    assert named == [patient.public_id]


def test_a_name_has_few_spellings(db: None, django_assert_max_num_queries: Any) -> None:
    assert len(patient_search.spellings("aeoeue" * 30)) <= 96
    assert len(patient_search.spellings(" ".join(["anna"] * 40))) <= 96
    assert patient_search.spellings(" ^ = ") == []
    with django_assert_max_num_queries(1):
        assert list(patient_search.by_name("Müller-Lüdenscheidt Anna Maria")) == []
    assert not Patient.objects.exists()


@pytest.mark.timeout(20)
def test_a_text_of_many_words_keeps_nobody() -> None:
    """Which of n words are the family name has 2 n answers: only as many are written as are asked for."""
    words = " ".join(f"{number:x}ae" for number in range(5000))
    assert len(patient_search.spellings(words)) == 96
