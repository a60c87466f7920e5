"""Messages that are kept as cases, each with what is to be read of it, to check a changed site file by them.

A case is a file `NAME.hl7` with the message as it came, and `NAME.yaml` beside it with what it says: the
answer, and every field that it would make where nothing is there yet. So a case needs nobody's data, and says
the same on every machine.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Final

import yaml
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.actor import Actor
from interfaces.hl7.inspect import dry_run
from interfaces.hl7.syntax.character_sets import Er7Error
from ledger import audit
from ledger.errors import Duplicate, Invalid
from worklist import catalogue
from worklist.batches import named_rows, trial

MOST: Final = 2_000
"""Cases of a folder."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,79}")
_OF_NOW: Final = frozenset({"due"})
"""What follows from the moment of receipt where a message has no start."""


@dataclass(frozen=True)
class CaseDifference:
    """What is read otherwise than the case says: which field, what the case says, what is read now."""

    field: str
    expected: str
    found: str


@dataclass(frozen=True)
class CaseResult:
    """What became of a case; it `has_expectation` unless nobody has said yet what is right."""

    name: str
    differences: Sequence[CaseDifference] = ()
    has_expectation: bool = True

    @property
    def is_right(self) -> bool:
        """Whether all is read as the case says."""
        return self.has_expectation and not self.differences


def folder() -> Path:
    """Where the site's own cases are."""
    return Path(settings.HOME) / "cases"


def says(raw: bytes) -> dict[str, str]:
    """What is read of a message, by names of fields; with the answer and, where it is refused, why."""
    try:
        one = dry_run.translated(raw)
    except Er7Error as error:
        return {"answer": "none", "error": f"{error.code} {error.location} {error.text}".strip()}
    found = {"answer": one.message.ack_code}
    if one.problem is not None:
        found["error"] = f"{one.problem.code} {one.problem.location} {one.problem.text}"
    for flag in one.flags:
        places = flag.details.get("locations", ())
        found[f"flag {flag.event_type.kind}"] = ", ".join(map(str, places)) or "yes"
    if one.changes is not None:
        known = named_rows.with_authorities(catalogue.current(), one.changes.groups)
        with timezone.override(UTC):  # wherever the machine stands
            made = trial.in_memory(one.changes, known)
        found |= {name: text for name, text in made.items() if name.partition(": ")[2] not in _OF_NOW}
    return found


def keep(name: str, raw: bytes, *, by: Actor) -> Path:
    """Keep a message as a case of the site, as it is read now.

    Raises `Invalid` for a name that is none, `Duplicate` for one that is taken.
    """
    by.require("message.replay")
    name = name.strip()
    if not _NAME.fullmatch(name):
        raise Invalid("a name has letters, digits, spaces, dots and dashes, at most 80", "name")
    path = folder() / f"{name}.hl7"
    if path.exists():
        raise Duplicate(f"there is a case {name} already", "name")
    with transaction.atomic():
        audit.note(by, audit.EXPORT, audit.CREATE, ("case", name), act="Message kept as a case")
    folder().mkdir(parents=True, exist_ok=True)
    path.with_suffix(".yaml").write_bytes(_written(says(raw)))
    path.write_bytes(raw)
    return path


def accept(path: Path) -> None:
    """Take what is read of a case now for what is right."""
    path.with_suffix(".yaml").write_bytes(_written(says(path.read_bytes())))


def paths(place: Path) -> list[Path]:
    """The messages of a folder, by name. Raises `Invalid` where there are too many."""
    found = sorted(place.glob("*.hl7"))
    if len(found) > MOST:
        raise Invalid(f"{place} has more than {MOST:,} cases")
    return found


def check(place: Path) -> Iterator[CaseResult]:
    """Read every case of a folder anew, and compare it with what it says is right."""
    for path in paths(place):
        expected = _expected(path.with_suffix(".yaml"))
        if expected is None:
            yield CaseResult(path.stem, has_expectation=False)
        else:
            yield CaseResult(path.stem, list(_differences(expected, says(path.read_bytes()))))


def _differences(expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[CaseDifference]:
    for name in dict.fromkeys([*expected, *found]):
        before, after = expected.get(name, ""), found.get(name, "")
        if before != after:
            yield CaseDifference(name, before, after)


def _expected(path: Path) -> dict[str, str] | None:
    if not path.exists():
        return None
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Invalid(f"{path} can't be read: {error}") from error
    if not isinstance(content, dict):
        raise Invalid(f"{path} is no list of fields")
    return {str(name): str(value) for name, value in content.items()}


def _written(fields: Mapping[str, str]) -> bytes:
    text: str = yaml.safe_dump(dict(fields), allow_unicode=True, sort_keys=False, width=1000)
    return text.encode()
