"""The HIS: admissions, orders, changes, cancellations; now and then a slip of its own."""

from dataclasses import replace

from simulator.faults import Fault
from simulator.hospital import Hospital
from simulator.plan import Case, Fate

CHANGE_BEFORE, CANCEL_BEFORE = 15.0, 10.0
"""Minutes before an exam at which it is moved or cancelled."""
NO_SUCH_DAY = "19800230"


def plan(hospital: Hospital, case: Case) -> None:
    """Put what the HIS sends about a case on its agenda."""
    if not case.is_ordered:
        return
    his = hospital.his
    if case.patient_class != "O" or case.number % 2:
        his.add(max(0.0, case.ordered - 1), lambda: _admit(hospital, case))
    his.add(case.ordered, lambda: order(hospital, case))
    if case.moved_to is not None:
        his.add(
            max(case.ordered + 1, case.due - CHANGE_BEFORE),
            lambda: _send(hospital, case, "XO", "order moved"),
        )
    if case.fate is Fate.CANCELLED:
        minute = max(case.ordered + 1, case.due - CANCEL_BEFORE)
        his.add(minute, lambda: _send(hospital, case, "CA", "order cancelled"))


def order(hospital: Hospital, case: Case) -> None:
    """Place an order. Some first come with a birth date that no calendar has; some come twice."""
    if case.number % 60 == 7:
        wrong = hospital.writer.order(case, birth_date=NO_SUCH_DAY)
        if hospital.send(case, wrong, "order with an impossible birth date") in ("AE", "AR"):
            hospital.refused_rightly += 1
    message = hospital.writer.order(case)
    answer = hospital.send(case, message, "order placed")
    if case.number % 40 == 11:
        hospital.send(case, message, "order sent again")
    if answer == "AA":
        hospital.set_ordered(case)
    elif answer:
        hospital.trouble("HIS", f"order answered {answer}", case)


def marry(hospital: Hospital, case: Case) -> None:
    """Tell the patient's new name; the console has the old one still."""
    person = case.person.renamed(case.new_name)
    hospital.send(case, hospital.writer.update(person), "patient renamed")


def merge(hospital: Hospital, case: Case) -> None:
    """Merge the patient's record into another one."""
    hospital.send(case, hospital.writer.merge(case.person, case.merged_into), "record merged")


def correct_address(hospital: Hospital, case: Case) -> None:
    """Tell that a patient has moved."""
    person = replace(case.person, address="Bahnhofstrasse 3^^Neustadt")
    hospital.send(case, hospital.writer.update(person), "patient updated")


def _admit(hospital: Hospital, case: Case) -> None:
    hospital.send(case, hospital.writer.admission(case), "patient registered")
    if case.number % 25 == 3 and case.fault is not Fault.MERGED:
        hospital.his.add(case.comes_at - 2, lambda: correct_address(hospital, case))


def _send(hospital: Hospital, case: Case, control: str, what: str) -> None:
    hospital.send(case, hospital.writer.order(case, control), what)
