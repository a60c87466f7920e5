"""For whom a report was signed, and whether its patient is called otherwise by now."""

from collections.abc import Mapping

from ledger import written_dates
from reporting.models import Report
from reporting.reports import report_versions
from worklist.patients import person_names


def words(named: Mapping[str, str]) -> str:
    """A patient as a version names one: name, birth date, identifier."""
    born = written_dates.of_dicom(named["birth_date"])
    identifier = " ".join(filter(None, (named["identifier"], named["authority"])))
    name = person_names.isolated(person_names.readable(named["name"])) or "no name"
    return ", ".join(filter(None, (name, f"born {born}" if born else "", identifier)))


def differ(named: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two identities are printed differently."""
    return words(named) != words(other)


def notice(named: Mapping[str, str], report: Report) -> str:
    """What is said over a text that was signed for `named`, where the record says otherwise today."""
    now = report_versions.header(report)["patient"]
    if not differ(named, now):
        return ""
    if report.item.patient is None:
        return (
            f"Signed for {words(named)}; the exam is linked to no patient now, its images say {words(now)}."
        )
    return f"Signed for {words(named)}; the patient is now {words(now)}."
