"""The parts of a report and their codes (PS3.16 CID 7001 and 7002, LOINC)."""

from dataclasses import dataclass
from typing import Final

from reporting.models import ReportHeading


@dataclass(frozen=True)
class Code:
    """A coded concept (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class Section:
    """A part of a report: its title in print, the code of its heading, the code of the text below it."""

    title: str
    heading: Code
    element: Code


_CODES: Final = {
    ReportHeading.INDICATION: (
        Code("55752-0", "LN", "Clinical Information"),
        Code("11329-0", "LN", "History"),
    ),
    ReportHeading.TECHNIQUE: (
        Code("55111-9", "LN", "Current Procedure Descriptions"),
        Code("121065", "DCM", "Procedure Description"),
    ),
    ReportHeading.COMPARISON: (
        Code("18834-2", "LN", "Previous Findings"),
        Code("121069", "DCM", "Previous Finding"),
    ),
    ReportHeading.FINDINGS: (Code("59776-5", "LN", "Findings"), Code("121071", "DCM", "Finding")),
    ReportHeading.IMPRESSION: (Code("19005-8", "LN", "Impressions"), Code("121073", "DCM", "Impression")),
}
OF_SECTION: Final = {one.value: Section(one.label, *_CODES[one]) for one in ReportHeading}
ADDENDUM: Final = Section("Addendum", Code("55107-7", "LN", "Addendum"), Code("55107-7", "LN", "Addendum"))
NOTICE: Final = Section("Notice", Code("55112-7", "LN", "Summary"), Code("55112-7", "LN", "Summary"))
REPORT: Final = Code("18748-4", "LN", "Diagnostic Imaging Report")
