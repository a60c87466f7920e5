"""Real orders that name a patient, a number and a procedure: on the worklist, by a source entry."""

from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from accounts.actor import Actor
from interfaces.hl7.inbound import inbox, sources
from ledger.models import Event
from ris_pacs import site
from tests.clients.test_real_messages import FOLDER, ROOT, messages_of
from tests.interfaces.dicom.test_modality_worklist import ask
from tests.interfaces.hl7.test_real_messages_table import messages, type_of
from tests.interfaces.hl7.test_values_for_modalities import check, everything
from worklist.models import ScheduledProcedureStep
from worklist.mwl import query
from worklist.mwl.matching_keys import WorklistKeys

pytestmark = [
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the real messages (../shared/data/hl7) are not here"),
]

GOOGLE: Final = "GoogleCloudPlatform__healthcare-data-harmonization"
ALLINA: Final = """
    - name: Allina
      application: Organization
      assigning_authority: GENHOSP
      translations: {OBR-24: {"": OT}} # nothing says on which device its exams are done
"""
PAML: Final = ALLINA.replace("Allina", "PAML").replace("Organization", '"7000"')
MESA: Final = ALLINA.replace("Allina", "Mesa").replace("Organization", "MESA_OP").replace("OT", "CR")
MIRTH: Final = """
    - {name: Mirth, application: MIRTH, assigning_authority: GENHOSP,
      date_formats: {PID-7: ["%b %d, %Y"]},
      mapping: {accession_number: [OBR-18.2], modality: [OBR-18]},
      translations: {OBR-4: {MRS: "70553^MR brain without and with contrast^C4"}}}
"""
KCENON: Final = """
    - name: Bridge
      application: HIS
      facility: HOSPITAL
      mapping: {start: [ORC-8.4]}
      translations: {OBR-24: {"1": CR}}
"""
CASES: Final = {
    # file: entry, patient and birth date, numbers, code, modality, accession number, start
    "Efferent-Health__HL7-V2/benchmarks_Sample-Orm.txt": (
        *(ALLINA, "42311^^^GENHOSP", "19921112", "11777-60", "4241", "OT", "11777-60"),
        "2017-03-31T12:00",  # OBR-27.4; ORC-7.4 has the day alone
    ),
    "Efferent-Health__HL7-V2/test_Sample-ORM.txt": (
        *(ALLINA, "42311^^^GENHOSP", "19921112", "11777-60", "4241", "OT", "11777-60"),
        "2017-03-31T12:00",
    ),
    f"{GOOGLE}/wstl1_mapping_configs_hl7v2_fhir_r4_orm_o01_ex1.hl7": (
        *(PAML, "0123456789^^^GENHOSP", "19700101", "123456", "80100.DA33", "OT", "123456", None),
    ),
    "kcenon__pacs_bridge/tests_data_orm_o01_sample.hl7": (
        *(KCENON, "12345^^^HOSPITAL", "19800515", "ACC001 ORD001", "71020", "CR", "ACC001"),
        "2024-01-15T12:00",
    ),
    "nextgenhealthcare__connect/server_tests_test-hl7-batch-input.txt": (
        *(MIRTH, "4223161584^^^GENHOSP", "19420815", "801887.001", "70553", "MR", "20061213-0007"),
        "2006-12-13T12:30",
    ),
    "nextgenhealthcare__connect/server_tests_test-hl7-input.txt": (
        *(MIRTH, "4223161584^^^GENHOSP", "19420815", "801887.001", "70553", "MR", "20061213-0007"),
        "2006-12-13T12:30",
    ),
    "ruby-hl7__ruby-hl7/test_data_lotsunknowns.hl7": (
        *(MESA, "MM241^^^ADT1", "19500121", "A241Z", "P2", "CR", "A241Z", "2000-07-01T00:00"),
    ),
    "ruby-hl7__ruby-hl7/test_data_test2.hl7": (
        *(MESA, "MM241^^^ADT1", "19500121", "A241Z", "P2", "CR", "A241Z", "2000-07-01T00:00"),
    ),
}
NAMES_NONE: Final = {
    # No ORC and no OBR: neither a number nor a procedure. ORM_O01 (4.4.1) has both.
    f"nextgenhealthcare__connect/server_tests_test-hl7-{what}"
    for what in (
        "1636-output.txt",
        "missing-components-output.txt",
        "missing-fields-output.txt",
        "missing-subcomponents-output.txt",
        "repetitions-input.txt",
        "whitespace-input.txt",
    )
}


def test_no_real_order_is_forgotten() -> None:
    orders = {file for file, _, raw in messages() if type_of(raw).startswith(("ORM", "OMG", "OMI"))}
    assert orders == set(CASES) | NAMES_NONE and len(orders) == 14


@pytest.mark.parametrize("file", CASES)
def test_a_real_order_is_on_the_worklist(file: str, tmp_path: Path) -> None:
    entry, patient, birth_date, numbers, code, modality, accession, start = CASES[file]
    assert len(entry.strip().splitlines()) <= 5
    demo = (ROOT / "simulator" / "site.yaml").read_text()
    path = tmp_path / "site.yaml"
    path.write_text(demo.replace("  sources:\n", f"  sources:{entry}", 1))
    site.apply(path, by=Actor.system())
    sources._kept.clear()
    (raw,) = messages_of((FOLDER / file).read_bytes())
    answer = inbox.receive(raw, peer="")
    assert answer is not None and b"MSA|AA|" in answer, answer
    (step,) = query.select(WorklistKeys(), station=None)
    order = step.procedure.order
    assert (str(order.patient), order.patient.birth_date) == (patient, birth_date)
    assert " ".join(sorted(order.numbers.values_list("value", flat=True))) == numbers
    assert (step.procedure.code, step.modality, order.accession_number) == (code, modality, accession)
    zone = ZoneInfo(order.facility.time_zone)
    assert step.start == (datetime.fromisoformat(start).replace(tzinfo=zone) if start else None)
    assert not Event.objects.filter(kind="hl7.values_left_out").exists()
    (answer_to_station,) = ask(**everything())
    check(answer_to_station)
    assert answer_to_station.AccessionNumber == accession
    assert ScheduledProcedureStep.objects.count() == 1
