"""Search keys of person names (DICOM PN, PS3.5 6.2): matching never relies on a database's collation."""

import unicodedata
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Final

from django.db.models import Q

from ledger import wildcards

PATIENT_KEYS: Final = ("name_key", "ideographic_key", "phonetic_key")
"""The columns of `Patient` that hold the folded groups of its name."""
_BARE: Final = str.maketrans(
    {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
    | {"ħ": "h", "ŧ": "t", "ŋ": "n", "ĸ": "k", "ŀ": "l", "’": "'", "ʼ": "'"}
)
"""Letters that no accent makes, so that Unicode takes none apart (NFKD)."""


def fold(text: str) -> str:
    """Casefold and normalise a component group; trailing empty components do not count."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "^".join(part.strip() for part in folded.split("^")).rstrip("^ ")


def bare(text: str) -> str:
    """A folded group without accents, strokes or ligatures: "łukasz sørensen" is "lukasz sorensen"."""
    plain = "".join(
        letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter)
    )
    return unicodedata.normalize("NFC", plain.translate(_BARE))


def keys(name: str) -> tuple[str, str, str]:
    """The folded alphabetic, ideographic and phonetic group of a PN."""
    groups = [fold(group) for group in name.split("=")[:3]]
    alphabetic, ideographic, phonetic = groups + [""] * (3 - len(groups))
    return alphabetic, ideographic, phonetic


def matches(pattern: str, name: str) -> bool:
    """Whether any component group of a PN fits one of a key, whatever the case (PS3.4 C.2.2.2.1)."""
    wanted = _asked(pattern)
    return not wanted or any(wildcards.matches(one, group) for one in wanted for group in keys(name))


def fits(columns: Sequence[str], pattern: str) -> Q:
    """The same as a condition on the columns that hold the folded groups of a name."""
    return reduce(or_, (wildcards.fits(name, one) for one in _asked(pattern) for name in columns), Q())


def _asked(pattern: str) -> list[str]:
    """The groups of a key that ask for anything."""
    return [group for group in keys(pattern) if group.strip("*^")]


def readable(name: str) -> str:
    """A PN as people write it: "Family, Given", the other component groups behind it in brackets."""
    first, *others = readable_groups(name) or ["(no name)"]
    return first + "".join(f" ({other})" for other in others)


def called(name: str, identifier: str) -> str:
    """Whom a sentence speaks of: by name, or by the identifier where no name is known yet; set apart."""
    return isolated(readable(name)) if readable_groups(name) else f"patient {identifier}"


def isolated(text: str) -> str:
    """A name for plain text, set apart where any of it runs from right to left (UAX #9, X5c)."""
    return f"\u2068{text}\u2069" if turns(text) else text


def turns(text: str) -> bool:
    """Whether any of it runs from right to left."""
    return any(unicodedata.bidirectional(letter) in ("R", "AL", "AN") for letter in text)


def readable_groups(name: str) -> list[str]:
    """The component groups of a PN that hold anything, each as people write it."""
    return [text for group in name.split("=") if (text := _readable(group))]


def _readable(group: str) -> str:
    family, given, middle, prefix, suffix = [*(part.strip() for part in group.split("^")), *[""] * 5][:5]
    rest = " ".join(part for part in (prefix, given, middle, suffix) if part)
    return ", ".join(part for part in (family, rest) if part)
