"""Which images are of a phantom or a test, not of a person: the patterns of IDs and names of a site."""

from collections.abc import Collection
from typing import Annotated, Final, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from archive.reconcile.name_agreement import fits_name
from ledger.wildcards import MOST_PATTERNS, matches

LEAST_LETTERS: Final = 2
"""What a pattern has to name beside its wildcards: `*` alone would take everybody for a phantom."""


def _names_something(pattern: str) -> str:
    if len(pattern.replace("*", "").replace("?", "").replace("^", "").strip()) < LEAST_LETTERS:
        raise ValueError(f"{pattern!r} needs {LEAST_LETTERS} letters or digits, or people would fit it too")
    return pattern


Pattern = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_names_something)]


class Named(Protocol):
    """Somebody with a number and a name, as a header or a record has them."""

    @property
    def patient_id(self) -> str: ...
    @property
    def name(self) -> str: ...


class PhantomPatterns(BaseModel):
    """Patient IDs and names that phantom and test images bear; `*` and `?` as in DICOM, whatever the case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patient_ids: list[Pattern] = Field([], max_length=MOST_PATTERNS // 2)
    patient_names: list[Pattern] = Field([], max_length=MOST_PATTERNS // 2)

    def pattern_of(self, identities: Collection[Named]) -> str:
        """The pattern that the first identity fits, in words; none unless all of them fit one."""
        found = [self._fitting(one) for one in identities]
        return found[0] if found and all(found) else ""

    def _fitting(self, seen: Named) -> str:
        for pattern in self.patient_ids:
            if matches(pattern, seen.patient_id, ignore_case=True):
                return f"patient ID {pattern}"
        for pattern in self.patient_names:
            if fits_name(pattern, seen.name):
                return f"patient name {pattern}"
        return ""


NO_PHANTOMS: Final = PhantomPatterns()
