"""Reading items, reports and their versions, dictations."""

from reporting.models.dictation import UNTYPED, WAITING, Dictation, DictationState, ReturnReason, Segment
from reporting.models.item import (
    HoldReason,
    Owner,
    OwnerSpan,
    ReadingItem,
    ReadingLease,
    Recheck,
    RecheckOutcome,
    Skip,
)
from reporting.models.outside_report import (
    OutsideDocument,
    OutsideReport,
    OutsideReportReference,
    OutsideReportVersion,
    OutsideStatus,
)
from reporting.models.report import (
    SECTIONS,
    AddendumDraft,
    ClassOfChange,
    KeptText,
    Report,
    ReportHeading,
    ReportStatus,
    ReportTemplate,
    ReportVersion,
    VersionKind,
)

__all__ = [
    "SECTIONS",
    "UNTYPED",
    "WAITING",
    "AddendumDraft",
    "ClassOfChange",
    "Dictation",
    "DictationState",
    "HoldReason",
    "KeptText",
    "OutsideDocument",
    "OutsideReport",
    "OutsideReportReference",
    "OutsideReportVersion",
    "OutsideStatus",
    "Owner",
    "OwnerSpan",
    "ReadingItem",
    "ReadingLease",
    "Recheck",
    "RecheckOutcome",
    "Report",
    "ReportHeading",
    "ReportStatus",
    "ReportTemplate",
    "ReportVersion",
    "ReturnReason",
    "Segment",
    "Skip",
    "VersionKind",
]
