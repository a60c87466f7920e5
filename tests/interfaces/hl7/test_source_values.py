"""A source's own values, dates and places of fields, as the site file says them."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from interfaces.hl7.inbound import sources
from interfaces.hl7.models import Source
from interfaces.hl7.outbound import segment_data
from ris_pacs import site as site_file
from tests.interfaces.hl7.test_orders import PID, obr, orc, send, step
from worklist.models import Order, Patient, RequestedProcedure, ScheduledProcedureStep, Visit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]


def source(**options: Any) -> None:
    Source.objects.update(options={"assigning_authority": "GENHOSP", **options})
    sources._kept.clear()


def test_a_table_says_what_a_sources_own_values_mean(say: Say) -> None:
    source(
        translations={
            "PID-8": {"W": "F", "m\xe4nnlich": "M"},
            "PID-3.4": {"KIS": "GENHOSP"},
            "PID-3.5": {"PK": "MR", "*": "AN"},
            "PV1-2": {"station\xe4r": "I"},
            "OBR-4": {"CTTHX": "71260^CT chest with contrast^C4"},
            "OBR-24": {"Tomo": "CT"},
            "OBR-27.6": {"NOTFALL": "S"},
        }
    )
    pid = "PID|1||7^^^OTHER^XY~P1^^^KIS^PK||BARS^ANNA||19700102|W"
    pv1 = "PV1|1|station\xe4r" + "|" * 17 + "V1"
    send(say("ORM^O01", pid, pv1, orc(), obr(f4="CTTHX^Thorax", f24="Tomo", f27="^^^202603021130^^NOTFALL")))
    order, procedure = Order.objects.get(), RequestedProcedure.objects.get()
    assert (str(Patient.objects.get()), Patient.objects.get().sex) == ("P1^^^GENHOSP", "F")
    assert (procedure.code, procedure.description, procedure.scheme) == (
        "71260",
        "CT chest with contrast",
        "C4",
    )
    assert (step().modality, order.priority, Visit.objects.get().patient_class) == ("CT", "STAT", "I")
    assert segment_data.number(order, "placer") == ["PL1", "HIS"]
    assert procedure.service[0][:2] == [["CTTHX"], ["Thorax"]], "it goes back as it was ordered"


@pytest.mark.parametrize(
    ("table", "sent", "modality"),
    [
        ({"": "OT"}, "", "OT"),
        ({"": "OT"}, "CT", "CT"),
        ({"*": "OT"}, "Any thing", "OT"),
        ({"*": "OT", "A": "CT"}, "A", "CT"),
        ({"A&B^C": "CT"}, "A\\T\\B\\S\\C", "CT"),
    ],
)
def test_an_empty_value_and_any_other_may_mean_something(
    say: Say, table: dict[str, str], sent: str, modality: str
) -> None:
    source(translations={"OBR-24": table})
    send(say("ORM^O01", PID, orc(), obr(f24=sent)))
    assert step().modality == modality


@pytest.mark.parametrize(
    ("format_", "sent", "start"),
    [
        ("%Y%m%d%H%M%S%f", "20260302113000123", datetime(2026, 3, 2, 11, 30, 0, 123000, UTC)),
        ("%d.%m.%Y %H:%M", "02.03.2026 11:30", datetime(2026, 3, 2, 11, 30, tzinfo=UTC)),
        ("%d.%m.%Y %H:%M", "202603021131", datetime(2026, 3, 2, 11, 31, tzinfo=UTC)),
        ("%Y-%m-%dT%H:%M:%S%z", "2026-03-02T11:30:00+01:00", datetime(2026, 3, 2, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_source_may_write_dates_in_its_own_way(say: Say, format_: str, sent: str, start: datetime) -> None:
    source(date_formats={"OBR-36": [format_], "PID-7": ["%d.%m.%Y"]})
    send(say("ORM^O01", PID.replace("19700102", "02.01.1970"), orc(), obr(f36=sent)))
    assert (step().start, Patient.objects.get().birth_date) == (start, "19700102")


def test_a_map_says_where_fields_of_an_order_lie(say: Say) -> None:
    source(
        mapping={
            "accession_number": ["ZOR-2"],
            "study_instance_uid": ["ZOR-3"],
            "start": ["ZOR-4"],
            "station_name": ["OBR-21[2].2"],
        }
    )
    groups: list[str] = []
    for n in (1, 2):
        own = obr(f21=f"x~^Room {n}")
        groups += [orc(placer=f"PL{n}^HIS"), own, f"ZOR|1|A{n}|1.2.{n}|2026030{n}1130"]
    send(say("ORM^O01", PID, *groups, orc(placer="PL3^HIS"), obr()))
    found = {
        one.procedure.order.accession_number: (
            one.procedure.study_instance_uid[:5],
            one.local_date,
            one.station_name,
        )
        for one in ScheduledProcedureStep.objects.select_related("procedure__order")
    }
    assert {key: found[key] for key in ("A1", "A2")} == {
        "A1": ("1.2.1", "20260301", "Room 1"),
        "A2": ("1.2.2", "20260302", "Room 2"),
    }
    assert len(found) == 3 and not {"A1", "A2"} & {key for key in found if found[key][0] == "2.25."}
    answer = send(say("ORM^O01", PID, orc(), obr(), "ZOR|1||x.y", control_id="m2"), "AE")
    assert b"|ZOR^1^3|102^" in answer


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("mapping: {acession_number: [OBR-18]}", "'acession_number' is no field that can be mapped"),
        ("mapping: {accession_number: [OBR18]}", "'OBR18' is not a path such as PID-5"),
        ("translations: {OBR24: {A: CT}}", "'OBR24' is not a path such as PID-5"),
        ("translations: {'PID-3[2]': {A: B}}", "leave [n] out"),
        ("translations: {OBR-24: {A: TOMO}}", "OBR-24: 'A' is to be 'TOMO', which is neither a modality"),
        (
            "translations: {PID-8: {W: Female}}",
            "PID-8: 'W' is to be 'Female', which is not in HL7 Table 0001",
        ),
        ("translations: {OBR-27.6: {X: Q}}", "'X' is to be 'Q', which is none of the priorities S, A"),
        ("translations: {PID-3.5: {X: MRNUMBER}}", "is longer than 5 characters"),
        ("translations: {OBR-24: {1: CT}}", "valid string"),
        ("date_formats: {PID-7: ['%d.%m']}", "'%d.%m' is no way to write a date as `strptime` has them"),
        ("order_status: {XO-SC: none}", "'XO-SC' is not ORC-1/ORC-5, such as XO/SC"),
        ("order_status: {XO/SC: stop}", "'stop' is none of: none, arrive"),
        ("role: reader", "'placer' or 'filler'"),
    ],
)
def test_a_site_file_says_in_its_line_what_is_wrong(tmp_path: Path, line: str, text: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "facility: {code: H, name: H, time_zone: UTC}\n"
        f"hl7:\n  sources:\n    - name: HIS\n      application: HIS\n      {line}\n"
    )
    with pytest.raises(site_file.SiteFileError) as raised:
        site_file.read(path)
    (problem,) = raised.value.problems
    assert text in problem.text and problem.line in (4, 6)
