"""Whose images these are: what a department's day brings, sent through real ports."""

import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import generate_uid

from tests.clients.images import make_study
from tests.clients.system import System, answer_code, order_message, wait_for

pytestmark = [pytest.mark.needs("storescu"), pytest.mark.timeout(300)]


def adt(trigger: str, *segments: str) -> bytes:
    """An admission or a change of a patient."""
    now = time.strftime("%Y%m%d%H%M%S")
    head = f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|{now}||ADT^{trigger}|{uuid.uuid4().hex[:16]}|P|2.5.1"
    return "".join(f"{segment}\r" for segment in (head, f"EVN||{now}", *segments)).encode()


def pid(value: str, name: str, born: str = "19700102", sex: str = "F") -> str:
    return f"PID|1||{value}^^^GENHOSP^MR||{name}||{born}|{sex}"


def say(system: System, *messages: bytes) -> None:
    assert [answer_code(ack) for ack in system.send(*messages)] == ["AA"] * len(messages)


Row = tuple[str, Callable[[str], list[bytes]], Callable[[str], dict[str, Any]]]
ROWS: list[Row] = [
    (
        "probable",  # a registered sister whose name is one letter off
        lambda a: [
            adt("A04", pid(f"L{a}", f"KURZ{a[-4:]}^LENA")),
            order_message(a, name=f"KURZ{a[-4:]}^LINA"),
        ],
        lambda a: {"PatientName": f"KURZ{a[-4:]}^LENA"},
    ),
    (
        "probable",  # the patient ID a digit short, no accession number
        lambda a: [order_message(a)],
        lambda a: {"PatientID": f"P{a}"[:-1], "AccessionNumber": ""},
    ),
    ("probable", lambda a: [order_message(a)], lambda a: {"IssuerOfPatientID": "ELSEWHERE"}),
    (
        "matched",  # the authority typed with the ID
        lambda a: [order_message(a)],
        lambda a: {"PatientID": f"P{a}^^^GENHOSP", "IssuerOfPatientID": ""},
    ),
    (
        "probable",  # the accession number typed as patient ID
        lambda a: [order_message(a)],
        lambda a: {"PatientID": a, "IssuerOfPatientID": "", "AccessionNumber": ""},
    ),
    ("matched", lambda a: [order_message(a, modality="DX")], lambda a: {"Modality": "PX"}),
    (
        "matched",  # corrected before the images, which the device sends as its worklist said
        lambda a: [order_message(a), adt("A08", pid(f"P{a}", "NEUMANN^ANNA"))],
        lambda a: {},
    ),
]


def test_each_comes_to_the_verdict_that_a_careful_person_would_give(system: System, tmp_path: Path) -> None:
    expected = {}
    for outcome, messages, header in ROWS:
        accession = "W" + uuid.uuid4().hex[:9].upper()
        say(system, *messages(accession))
        values = {"AccessionNumber": accession, **header(accession)}
        uid = make_study(tmp_path / accession, accession, count=1, **values)
        sent = system.dcmtk("storescu", "+sd", str(tmp_path / accession))
        assert sent.returncode == 0, sent.stderr
        expected[uid] = outcome
    assert {uid: system.verdict(uid) for uid in expected} == expected


def test_a_match_outlives_a_correction_of_its_patient(system: System, tmp_path: Path) -> None:
    accession = "W" + uuid.uuid4().hex[:9].upper()
    say(system, order_message(accession))
    uid = make_study(tmp_path, accession, count=1)
    system.dcmtk("storescu", "+sd", str(tmp_path))
    assert system.verdict(uid) == "matched"
    say(system, adt("A08", pid(f"P{accession}", "NEUMANN^ANNA", "19700201")))
    later = make_study(tmp_path / "later", accession, count=1, StudyInstanceUID=uid)
    system.dcmtk("storescu", "+sd", str(tmp_path / "later"))  # of which the verdict is made anew
    assert later == uid and wait_for(lambda: system.study(uid)["instance_count"] == 2, 30)
    assert wait_for(lambda: system.study(uid)["verdict"] != "pending", 30)
    study = system.study(uid)
    assert (study["verdict"], study["patient"]["name"]) == ("matched", "NEUMANN^ANNA")


def test_what_is_mended_at_the_modality_and_sent_again_is_judged_by_the_new_header(
    system: System, tmp_path: Path
) -> None:
    accession = "W" + uuid.uuid4().hex[:9].upper()
    say(system, order_message(accession))
    fixed = {"SOPInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    wrong = {"PatientID": "X" + accession, "PatientName": "WRONG^ENTRY", "AccessionNumber": ""}
    uid = make_study(tmp_path / "wrong", accession, count=1, **fixed, **wrong)
    make_study(tmp_path / "right", accession, count=1, **fixed, StudyInstanceUID=uid)
    packed = tmp_path / "packed"
    packed.mkdir()
    for name, verdict in (("wrong", "unscheduled"), ("right", "matched")):
        sent = system.dcmtk("storescu", "+sd", str(tmp_path / name))
        assert sent.returncode == 0, sent.stderr
        assert wait_for(lambda expected=verdict: system.study(uid).get("verdict") == expected, 30)
    # What a router sends once more doesn't take the images from their patient: a person is asked.
    sent = system.dcmtk("storescu", "+sd", str(tmp_path / "wrong"))
    assert sent.returncode == 0, sent.stderr
    held = wait_for(lambda: exception_of(system, uid, "resent"))
    assert held and system.study(uid)["verdict"] == "matched"
    subprocess.run(
        ["dcmcrle", str(tmp_path / "right" / "1.dcm"), str(packed / "1.dcm")], check=True, capture_output=True
    )
    sent = system.dcmtk("storescu", "-xr", "+sd", str(packed))  # the right header, compressed
    assert sent.returncode == 0, sent.stderr
    assert wait_for(lambda: system.api(f"/studies/{uid}/versions")["results"][0]["is_current"], 30)
    study = system.study(uid)
    assert (study["verdict"], study["patient"]["name"]) == ("matched", "BARS^ANNA")
    versions = system.api(f"/studies/{uid}/versions")["results"]
    assert [(one["number"], one["is_current"]) for one in versions] == [(4, True), (3, False), (2, False)]
    assert {one["name"] for one in versions[0]["differences"]} >= {"Patient ID", "Accession Number"}


@pytest.mark.needs("findscu")
def test_what_is_scanned_leaves_the_modalities_list(system: System, tmp_path: Path) -> None:
    accession = "W" + uuid.uuid4().hex[:9].upper()
    say(system, order_message(accession))
    assert accession in system.worklist(f"AccessionNumber={accession}")
    uid = make_study(tmp_path, accession, count=1)
    system.dcmtk("storescu", "+sd", str(tmp_path))
    assert system.verdict(uid) == "matched"
    assert system.worklist(f"AccessionNumber={accession}").count("Find Response") == 0
    (order,) = system.api("/orders", accession_number=accession)["results"]
    assert order["status"] == "completed"


def exception_of(system: System, uid: str, kind: str) -> list[dict[str, Any]]:
    found = system.api("/exceptions", kind=kind, status="open")["results"]
    return [one for one in found if one["study_instance_uid"] == uid]


@pytest.mark.parametrize("control", ["CA", "DC"])
def test_a_cancel_after_the_images_is_asked_about(system: System, tmp_path: Path, control: str) -> None:
    accession = "C" + uuid.uuid4().hex[:9].upper()
    say(system, order_message(accession))
    uid = make_study(tmp_path, accession, count=1)
    system.dcmtk("storescu", "+sd", str(tmp_path))
    assert system.verdict(uid) == "matched"
    say(system, order_message(accession, control=control))
    wait_for(lambda: exception_of(system, uid, "cancelled_after_images"))
    (item,) = [one for one in system.api("/reading/items")["results"] if uid in str(one)]
    assert item["order_cancelled"]


def test_a_record_that_becomes_somebody_else_is_asked_about(system: System, tmp_path: Path) -> None:
    accession = "O" + uuid.uuid4().hex[:9].upper()
    say(system, order_message(accession))
    uid = make_study(tmp_path, accession, count=1)
    system.dcmtk("storescu", "+sd", str(tmp_path))
    assert system.verdict(uid) == "matched"
    say(system, adt("A08", pid(f"P{accession}", "REAL^RITA", "19350517", "M")))
    wait_for(lambda: exception_of(system, uid, "identity_replaced"))
    assert system.verdict(uid) == "matched"
