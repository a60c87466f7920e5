"""What a new report can begin with besides its template: what the order asks, and what is compared.

They are suggestions: they go where nothing is written, and nothing that somebody typed makes way for them.
"""

from collections.abc import Mapping

from ledger import written_dates
from reporting.models import ReadingItem, ReportHeading
from reporting.reading_worklist.priors import Prior


def indication(item: ReadingItem) -> str:
    """Why it was asked for, in the words of its orders, each once."""
    orders = {one.order_id: one.order for one in item.procedures.select_related("order").order_by("pk")}
    words = [text.strip() for one in orders.values() for text in (one.reason, one.clinical_information)]
    return "; ".join(dict.fromkeys(filter(None, words)))


def comparison(prior: Prior) -> str:
    """A prior study as a report names it, with its time where that tells it apart; empty for none."""
    if not prior.may_be_named:
        return ""
    study = prior.study
    kinds = "/".join(study.modalities)
    words = study.description.strip()
    name = words if words.upper().startswith(kinds.upper()) else f"{kinds} {words}".strip()
    taken = written_dates.of_dicom(study.study_date)
    if prior.is_same_day:
        taken = f"{taken} {written_dates.time_of_dicom(study.study_time)}".strip()
    return f"{name or 'Prior study'} of {taken}." if taken else f"{name or 'Prior study'}."


def suggested(item: ReadingItem, prior: Prior | None, begun: Mapping[str, str]) -> dict[str, str]:
    """The sections that can be filled in, with their texts, where a report begins with a template's `begun`.

    The prior takes the place of what a template says of comparison, "None." for one: it can't know of any.
    """
    found = {}
    if (reason := indication(item)) and not begun.get(ReportHeading.INDICATION, "").strip():
        found[ReportHeading.INDICATION.value] = reason
    if prior is not None:
        found[ReportHeading.COMPARISON.value] = comparison(prior)
    return found
