"""What a reader of a version is to see: the whole text as of that version, with what was added and why.

It is taken from signed content alone, so that it can be made again at any time and comes out the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from ledger import written_dates
from reporting.models import SECTIONS, ReportVersion, VersionKind
from reporting.rendering import signed_identity
from reporting.reports import report_versions

_WHOLE: Final = frozenset({VersionKind.PRELIMINARY, VersionKind.FINAL, VersionKind.CORRECTION})
"""Kinds of version that hold a whole text; the others say something of one."""


@dataclass(frozen=True)
class Signature:
    """Who signed what, and when."""

    number: int
    kind: str
    name: str
    username: str
    at: datetime


@dataclass(frozen=True)
class Addendum:
    """What was added to a text that stands."""

    signature: Signature
    text: str
    class_of_change: str


@dataclass(frozen=True)
class Document:
    """A report as of one version.

    `header` is that of the version's content. `reason` is what the version says of itself: an addendum's
    text, why it corrects or retracts; `class_of_change` is which kind of reason that is. `text_signature` is
    of the version that the sections are from; it is the newest one's own but for addenda. `signed_for` is the
    patient whom that version names: an addendum may be signed under another identity. `renamed` are those
    notices that say under which other names the text, or a version before it, was signed. `predecessors` are
    the versions before, oldest first, without those that were undone. A retraction has neither sections nor
    addenda.
    """

    report_id: str
    version_id: str
    sha256: str
    header: Mapping[str, Any]
    author: str
    signature: Signature
    reason: str
    class_of_change: str
    text_signature: Signature
    signed_for: Mapping[str, str]
    sections: Mapping[str, str]
    addenda: tuple[Addendum, ...]
    notices: tuple[str, ...]
    renamed: tuple[str, ...]
    predecessors: tuple[ReportVersion, ...]

    @property
    def kind(self) -> str:
        """The kind of the version."""
        return self.signature.kind

    @property
    def procedures(self) -> list[str]:
        """What was asked for, in words, each with its accession number."""
        found = []
        for one in self.header["procedures"]:
            words = one["description"] or one["code"] or one["requested_procedure_id"]
            accession = one["accession_number"]
            found.append(f"{words} ({accession})" if accession else words)
        return found

    @property
    def zone(self) -> ZoneInfo:
        """The facility's time zone."""
        return ZoneInfo(self.header["facility"]["time_zone"])

    def shown(self, moment: datetime) -> str:
        """A moment as it is printed, in the facility's time zone."""
        return shown(moment, self.zone)


def shown(moment: datetime, zone: ZoneInfo) -> str:
    """A moment as it is printed."""
    return written_dates.zoned(moment, zone)


def compose(version: ReportVersion) -> Document:
    """Put together what a reader of `version` is to see."""
    content = report_versions.content_of(version)
    rows = ReportVersion.objects.filter(report=version.report_id, number__lt=version.number, undone_at=None)
    before = list(rows.order_by("number"))
    line = [(one, report_versions.content_of(one)) for one in before] + [(version, content)]
    text_of, base = next(
        ((one, told) for one, told in reversed(line) if one.kind in _WHOLE), (version, content)
    )
    is_retracted = version.kind == VersionKind.RETRACTION
    renamed = tuple(_renamed(content, base, [told for _, told in line]))
    return Document(
        report_id=version.report.public_id,
        version_id=version.public_id,
        sha256=version.sha256,
        header=content["header"],
        author=content["author"]["name"],
        signature=_signature(content),
        reason=content["text"],
        class_of_change=content["class_of_change"],
        text_signature=_signature(base),
        signed_for=base["header"]["patient"],
        sections={} if is_retracted else {name: base["sections"].get(name, "") for name in SECTIONS},
        addenda=() if is_retracted else tuple(_addenda(line)),
        notices=(
            *_notices(content, line, text_of.number, ZoneInfo(_zone(content))),
            *renamed,
        ),
        renamed=renamed,
        predecessors=tuple(before),
    )


def _zone(content: Mapping[str, Any]) -> str:
    return str(content["header"]["facility"]["time_zone"])


def _signature(content: Mapping[str, Any]) -> Signature:
    signer = content["signer"]
    at = datetime.fromisoformat(content["signed_at"])
    return Signature(content["number"], content["kind"], signer["name"], signer["username"], at)


def _addenda(line: Sequence[tuple[ReportVersion, Mapping[str, Any]]]) -> list[Addendum]:
    """All addenda so far. One made before a correction stays: a correction replaces the text only."""
    return [
        Addendum(_signature(told), told["text"], told["class_of_change"])
        for one, told in line
        if one.kind == VersionKind.ADDENDUM
    ]


def _notices(
    content: Mapping[str, Any],
    line: Sequence[tuple[ReportVersion, Mapping[str, Any]]],
    text_number: int,
    zone: ZoneInfo,
) -> list[str]:
    """What has to be said above the text: that it may change, what it replaces, that it must not be used."""
    kind, reason = content["kind"], content["class_of_change"]
    before = [told for _, told in line[:-1]]
    why = f" Reason: {reason}." if reason else ""
    if kind == VersionKind.PRELIMINARY:
        return ["Preliminary report. It may change before it is final."]
    if kind == VersionKind.RETRACTION:
        named = ", ".join(_named(told, zone) for told in before)
        lines = [f"This report is retracted and must not be used.{why}"]
        lines += [f"Retracted: {named}."] if named else []
        return lines + ([content["text"]] if content["text"] else [])
    if kind == VersionKind.CORRECTION:
        replaced = [told for told in before if told["kind"] in _WHOLE][-1:]
        lines = [f"Corrected report. It replaces {_named(told, zone)}.{why}" for told in replaced]
        return lines + ([content["text"]] if content["text"] else [])
    if kind == VersionKind.ADDENDUM:
        return [f"With addendum. The text was signed as version {text_number}.{why}"]
    return [
        f"Final report. It replaces {_named(told, zone)}."
        for told in before[-1:]
        if told["kind"] == VersionKind.PRELIMINARY
    ]


def _renamed(
    content: Mapping[str, Any], base: Mapping[str, Any], line: Sequence[Mapping[str, Any]]
) -> list[str]:
    """That the text, or what was issued before, was signed under another identity than the version."""
    now, text_of = content["header"]["patient"], base["header"]["patient"]
    found = []
    if signed_identity.differ(text_of, now):
        found.append(f"The text was signed for {signed_identity.words(text_of)}.")
    told = [signed_identity.words(one["header"]["patient"]) for one in line]
    known = {signed_identity.words(now), signed_identity.words(text_of)}
    earlier = dict.fromkeys(one for one in told if one not in known)
    return found + [f"Issued before in the name of {one}." for one in earlier]


def _named(content: Mapping[str, Any], zone: ZoneInfo) -> str:
    signature = _signature(content)
    return f"version {signature.number} ({signature.kind}, {signature.name}, {shown(signature.at, zone)})"
