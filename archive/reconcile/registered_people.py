"""Who else is registered: people whose identity is near a study's, whether or not they have an order.

A slip is forgiven only where nobody else fits as well, and a number that is another's is no slip.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from archive.reconcile import name_agreement
from archive.reconcile.candidates import Person
from archive.reconcile.patient_number import is_issuer
from archive.reconcile.reconcile_policy import Policy
from archive.reconcile.study_evidence import Identity, StudyEvidence
from ledger.row_sets import any_of
from ledger.set_statements import rows_of
from worklist.models import AssigningAuthority, Patient

MOST: Final = 500
"""Records of one number, birth date or name that are looked at; where there are more, no slip is forgiven."""

_PATIENTS: Final = Patient._meta.db_table
_RECORDS: Final = f"""
    SELECT COALESCE(shown.public_id, p.public_id),
        p.public_id, p.value, a.namespace, p.name, p.birth_date, p.sex
    FROM {_PATIENTS} p JOIN {AssigningAuthority._meta.db_table} a ON a.id = p.authority_id
    LEFT JOIN {_PATIENTS} shown ON shown.id = p.survivor_id"""


@dataclass(frozen=True)
class RegisteredPeople:
    """People, in the order of their ids; and whether there are more than were looked at."""

    people: tuple[Person, ...] = ()
    is_cut: bool = False

    def owners(self, seen: Identity, policy: Policy) -> frozenset[str]:
        """The ids of those who are registered under exactly this number."""
        if not seen.patient_id:
            return frozenset()
        return frozenset(
            person.id
            for person in self.people
            if any(_is_number(seen, record, policy) for record in person.records)
        )


NOBODY: Final = RegisteredPeople()


def _is_number(seen: Identity, record: Identity, policy: Policy) -> bool:
    known = {record.issuer} - {""}
    return seen.patient_id == record.patient_id and is_issuer(seen.issuer, known, policy.issuer_aliases)


def gather(study: StudyEvidence, facility_id: int) -> RegisteredPeople:
    """People of a facility with the study's number, its birth date, or its name in any spelling."""
    parts, parameters = [], []
    for column, texts in _near(study.identities[:3]).items():
        if texts:
            condition, keys = any_of([column], ["text"], [[text] for text in sorted(texts)])
            # Not ordered by the key itself: PostgreSQL would look through all in its order.
            parts.append(
                f"SELECT id FROM (SELECT id FROM {_PATIENTS} WHERE {condition} AND facility_id = %s"
                " ORDER BY -id DESC LIMIT %s) near"
            )
            parameters += [*keys, facility_id, MOST]
    if not parts:
        return NOBODY
    families: dict[str, list[tuple[str, ...]]] = {}
    rows = rows_of(f"{_RECORDS} WHERE p.id IN ({' UNION '.join(parts)}) ORDER BY p.id", parameters)
    for person, *record in rows:
        families.setdefault(person, []).append(tuple(record))
    return RegisteredPeople(
        tuple(
            Person(id=key, record=own[0][0], records=tuple(Identity(*row[1:]) for row in own))
            for key, own in sorted(families.items())
        ),
        is_cut=len(rows) >= MOST,
    )


def _near(identities: Iterable[Identity]) -> dict[str, set[str]]:
    """What is looked for, by column."""
    wanted: dict[str, set[str]] = {"value": set(), "birth_date": set(), "name_key": set()}
    for seen in identities:
        wanted["value"] |= {seen.patient_id} - {""}
        wanted["birth_date"] |= {seen.birth_date} if len(seen.birth_date) == 8 else set()
        wanted["name_key"] |= set(name_agreement.spellings(seen.name)) if seen.name.strip("^ ") else set()
    return wanted
