"""The HIS's messages: ADT and ORM in HL7 v2.5.1, as text segments in the patient's character set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulator.catalogue import REFERRERS
from simulator.clock import now
from simulator.people import UTF_8, Person
from simulator.plan import Case, Fate

CODECS: Mapping[str, str] = {
    UTF_8: "utf-8",
    "8859/1": "latin-1",
    "8859/6": "iso8859-6",
    "8859/7": "iso8859-7",
    "~ISO IR87": "iso2022_jp",
    "KS X 1001": "euc_kr",
}
"""The Python codec of each character set (Table 0211) that the HIS sends in."""

GROUPS = ("A", "I", "P")
"""Name representation codes (Table 0465): alphabetic, ideographic, phonetic."""


@dataclass(frozen=True)
class Message:
    """A message as it is sent, with its control ID (MSH-10) and type."""

    type: str
    control_id: str
    raw: bytes


@dataclass(frozen=True)
class Writer:
    """Writes messages with control IDs of their own; `at` gives the moment of a minute of the day."""

    prefix: str
    next_number: Callable[[], int]
    at: Callable[[float], datetime]

    def order(self, case: Case, control: str = "NW", **changes: str) -> Message:
        """ORM^O01 (v2.5.1 4.4.1) that places (NW), changes (XO) or cancels (CA) a case's order.

        `changes` override the patient's `birth_date`, as a clerk mistypes one.
        """
        begins = self.at(case.due if control == "NW" else case.comes_at) - timedelta(days=case.days_ago)
        # What an old archive hands over still has the time at which it was said.
        said = begins + timedelta(minutes=case.procedure.minutes) if case.fate is Fate.PRIOR else now()
        start = begins.strftime("%Y%m%d%H%M%S%z")
        placer, filler = f"PL{case.key}^HIS", f"FL{case.key}^RIS"
        status = "CM" if case.fate is Fate.PRIOR else "CA" if control == "CA" else "SC"
        why = "^Patient declined" if control == "CA" else ""
        quantity = f"^^^{start}^^{case.priority}"
        orc = _segment("ORC", {1: control, 2: placer, 3: filler, 5: status, 7: quantity, 9: _time(said),
                               12: _referrer(case), 16: why})  # fmt: skip
        procedure = case.procedure
        obr = _segment(
            "OBR",
            {
                1: "1", 2: placer, 3: filler, 4: f"{procedure.code}^{procedure.description}^C4", 7: start,
                13: "Pacemaker" if case.number % 23 == 0 else "", 16: _referrer(case),
                18: case.accession_number, 19: f"RP{case.key}", 20: f"SP{case.key}",
                24: procedure.modality, 27: quantity,
                30: {"I": "CART", "E": "CART"}.get(case.patient_class, "WALK"),
                31: f"^{case.reason}", 36: start,
            },
        )  # fmt: skip
        segments = [self.pid(case.person, **changes), _visit(case), orc, obr]
        if case.person.allergy:
            segments.insert(2, f"AL1|1|DA|^{case.person.allergy}|MO")
        if case.sends_uid:
            segments.append(f"ZDS|{planned_uid(case)}^HIS^Application^DICOM")
        return self._message("ORM^O01^ORM_O01", case.person.charset, segments, said)

    def admission(self, case: Case) -> Message:
        """ADT^A01 of an inpatient, ADT^A04 of everybody else."""
        event = "A01" if case.patient_class == "I" else "A04"
        return self.adt(event, case.person, _visit(case), "ADT_A01")

    def update(self, person: Person) -> Message:
        """ADT^A08: patient data changed."""
        return self.adt("A08", person, "PV1|1|O", "ADT_A01")

    def adt(self, event: str, person: Person, visit: str, structure: str) -> Message:
        """An ADT message about one patient."""
        segments = [f"EVN||{_time(now())}", self.pid(person), visit]
        if person.weight_kg:
            segments.append(f"OBX|1|NM|29463-7^Body weight^LN||{person.weight_kg}|kg|||||F")
        if person.allergy:
            segments.append(f"AL1|1|DA|^{person.allergy}|MO")
        return self._message(f"ADT^{event}^{structure}", person.charset, segments)

    def merge(self, person: Person, into: str) -> Message:
        """ADT^A40: the record of `person` becomes one with the record `into`."""
        survivor = _segment("PID", {**_pid(person), 3: f"{into}^^^GENHOSP^MR"})
        segments = [f"EVN||{_time(now())}", survivor, f"MRG|{person.patient_id}^^^GENHOSP^MR"]
        return self._message("ADT^A40^ADT_A39", person.charset, segments)

    def pid(self, person: Person, *, birth_date: str = "", **others: str) -> str:
        """PID (v2.5.1 3.4.2)."""
        return _segment("PID", {**_pid(person), 7: birth_date or person.birth_date})

    def _message(
        self, type_: str, charset: str, segments: Sequence[str], said: datetime | None = None
    ) -> Message:
        control_id, at = f"{self.prefix}{self.next_number():06}", _time(said or now())
        header = f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|{at}||{type_}|{control_id}|P|2.5.1|||AL|NE||{charset}"
        text = "".join(f"{segment}\r" for segment in (header, *segments))
        return Message(type_, control_id, text.encode(CODECS[charset]))


def planned_uid(case: Case) -> str:
    """The Study Instance UID that the HIS plans (IHE RAD TF-2 4.4.4.1.2), under 2.25 (PS3.5 B.2)."""
    return f"2.25.{10**30 + int(case.key)}"


def escape(text: str) -> str:
    """Text with the delimiters escaped (v2.5.1 2.7.1)."""
    for letter, sequence in (("\\", "\\E\\"), ("|", "\\F\\"), ("~", "\\R\\"), ("^", "\\S\\"), ("&", "\\T\\")):
        text = text.replace(letter, sequence)
    return text


def _pid(person: Person) -> dict[int, str]:
    return {
        1: "1",
        3: f"{person.patient_id}^^^GENHOSP^MR",
        5: "~".join(_name(group, code) for group, code in zip(person.names, GROUPS, strict=False)),
        7: person.birth_date,
        8: person.sex,
        11: person.address if _fits(person.address, person.charset) else "",
    }


def _name(group: Sequence[str], code: str) -> str:
    """XPN (v2.5.1 2.A.88): the suffix comes before the prefix, other than in DICOM."""
    family, given, middle, prefix, suffix = (*map(escape, group), "", "", "", "")[:5]
    return f"{family}^{given}^{middle}^{suffix}^{prefix}^^L^{code}"


def _referrer(case: Case) -> str:
    number, family, given = REFERRERS[case.referrer]
    if not _fits(family + given, case.person.charset):
        number, family, given = REFERRERS[0]
    return f"{number}^{family}^{given}"


def _visit(case: Case) -> str:
    ward = {"I": "W4^12^1^GENHOSP", "E": "ER^^^GENHOSP"}.get(case.patient_class, "RAD^^^GENHOSP")
    return _segment("PV1", {1: "1", 2: case.patient_class, 3: ward, 8: _referrer(case),
                            19: f"V{case.key}^^^GENHOSP"})  # fmt: skip


def _segment(name: str, fields: Mapping[int, str]) -> str:
    return "|".join([name, *(fields.get(n, "") for n in range(1, max(fields) + 1))])


def _fits(text: str, charset: str) -> bool:
    try:
        text.encode(CODECS[charset])
    except UnicodeEncodeError:
        return False
    return True


def _time(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%S}.{moment.microsecond // 1000:03}{moment:%z}"
