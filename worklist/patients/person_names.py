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


def readable(name: str) -> str:
    """A PN as people write it: "Family, Given", the other component groups behind it in brackets."""
    first, *others = readable_groups(name) or ["(no name)"]
    return first + "".join(f" ({other})" for other in others)


def readable_groups(name: str) -> list[str]:
    """The component groups of a PN that hold anything, each as people write it."""
    return [text for group in name.split("=") if (text := _readable(group))]


def _readable(group: str) -> str:
    family, given, middle, prefix, suffix = [*(part.strip() for part in group.split("^")), *[""] * 5][:5]
    rest = " ".join(part for part in (prefix, given, middle, suffix) if part)
    return ", ".join(part for part in (family, rest) if part)
