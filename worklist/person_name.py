"""Search keys of person names (DICOM PN, PS3.5 6.2): matching never relies on a database's collation."""

import unicodedata


def fold(text: str) -> str:
    """Casefold and normalise a component group; trailing empty components do not count."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "^".join(part.strip() for part in folded.split("^")).rstrip("^ ")


def keys(name: str) -> tuple[str, str, str]:
    """The folded alphabetic, ideographic and phonetic group of a PN."""
    groups = [fold(group) for group in name.split("=")[:3]]
    alphabetic, ideographic, phonetic = groups + [""] * (3 - len(groups))
    return alphabetic, ideographic, phonetic
