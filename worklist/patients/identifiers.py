"""How a message or a person names a patient: identifiers and the authorities that give them out."""

from typing import Final, NamedTuple

NAMING_TYPES: Final = frozenset({"", "MR", "MRN", "PI", "PT", "PN", "PE"})
"""Identifier types (HL7 Table 0203) that name a patient; others (SS, DL, AN, VN …) are only attributes."""


class Authority(NamedTuple):
    """An assigning authority as a message names it (HD: namespace, universal ID, its type)."""

    namespace: str
    universal_id: str = ""
    universal_id_type: str = ""


class Identifier(NamedTuple):
    """A patient identifier as a message names it (CX: ID, assigning authority, type)."""

    value: str
    authority: Authority
    type: str = ""
