"""What HL7 reads of the site file at run time, beside its sources and destinations."""

from typing import ClassVar

from accounts.site_sections import Section


class HL7Section(Section):
    """`accept_unknown_sources`: a source for any application and facility counts; else only named ones do."""

    row: ClassVar = "hl7"

    accept_unknown_sources: bool = False
