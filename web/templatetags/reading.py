"""What templates ask about the reading of a study."""

from typing import Any

from django import template

from archive.models import Study
from web.pages.reading import outside_reports
from web.pages.reading.outside_reports import ShownOutsideReport
from web.pages.reading.study_reports import ItemOfStudy
from web.pages.reading.study_reports import reading_items_of as items_of

register = template.Library()


@register.simple_tag
def reading_items_of(study: Study, user: Any) -> list[ItemOfStudy]:
    """The reports to be made or made of a study, as far as `user` may see them."""
    return items_of(study, user)


@register.simple_tag
def outside_reports_of(study: Study) -> list[ShownOutsideReport]:
    """`{% outside_reports_of study as name %}`: the reports of others that are of a study."""
    return outside_reports.of_studies([study])
