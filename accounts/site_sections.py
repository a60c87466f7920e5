"""Typed sections of the site: what a package reads of the site file at run time, with its defaults.

A package declares a subclass. `site apply` keeps a section as a row; `current` reads the row, and keeps what
it has read until it changes: in a batch it costs nothing, and what another process applies is seen within a
second.
"""

from functools import cache
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from accounts import site_version
from accounts.models import SiteSection


class Section(BaseModel):
    """A section of the site file, or the part of it that is read at run time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    row: ClassVar[str]
    """The name under which it is kept."""

    @classmethod
    def current(cls) -> Self:
        """The section in force; the defaults where none was applied."""
        section = _kept(cls).current()
        assert isinstance(section, cls)
        return section

    @classmethod
    def kept(cls, content: dict[str, Any]) -> Self:
        """The section from its row. What an older version has kept and this one does not know is left out."""
        return cls.model_validate({name: content[name] for name in cls.model_fields if name in content})


@cache
def _kept(section: type[Section]) -> site_version.Kept[Section]:
    return site_version.Kept(lambda: section.kept(SiteSection.read(section.row)))
