"""How far two person names (DICOM PN, PS3.5 6.2) agree, and by which normalisation."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from archive.reconcile.finding import Agreement
from archive.reconcile.typos import one_slip
from ledger.wildcards import matches

_LETTERS: Final = str.maketrans(
    dict(zip("äöüßåæøœþ", ["ae", "oe", "ue", "ss", "aa", "ae", "oe", "oe", "th"], strict=True))
    | dict(zip("łđðı", "lddi", strict=True))
)
_SAME_SOUND: Final = (("ae", "a"), ("oe", "o"), ("ue", "u"), ("aa", "a"), ("ss", "s"))


@lru_cache(maxsize=4096)
def compare(seen: str, expected: str) -> Agreement:
    """Compare two names: each component group of one with each of the other, the best counts."""
    pairs = [_compare_groups(ours, theirs) for ours in _groups(seen) for theirs in _groups(expected)]
    return max(pairs, key=lambda pair: pair[0] or 0, default=(None, ""))


@lru_cache(maxsize=4096)
def skeleton(text: str) -> str:
    """A text without diacritics, in which MÜLLER, MUELLER and MULLER are one."""
    plain = _fold(text).translate(_LETTERS)
    plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    for long, short in _SAME_SOUND:
        plain = plain.replace(long, short)
    return plain


@lru_cache(maxsize=4096)
def spellings(name: str) -> tuple[str, ...]:
    """The folded spellings under which a name may be kept: reordered, umlauts written out or not."""
    family, given = _family_and_given(_fold(name.partition("=")[0]))
    tokens = " ".join([family, given]).split()
    written = [f"{family}^{given}", f"{given}^{family}", " ".join(tokens)]
    if not given and len(tokens) > 1:
        written += [f"{tokens[0]}^{' '.join(tokens[1:])}", f"{tokens[-1]}^{' '.join(tokens[:-1])}"]
    found = [_fold(name.partition("=")[0]).rstrip("^ ")]
    for text in written:
        found += [text, text.translate(_LETTERS), _strip_marks(text)]
        every = text
        for mark, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
            found.append(text.replace(letters, mark))
            every = every.replace(letters, mark)
        found.append(every)
    return tuple(dict.fromkeys(text.rstrip("^ ") for text in found if text.strip("^ ")))


def fits_name(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern with `*` and `?`: as written, or a group, less empty components."""
    spellings = {name, *(text.rstrip("^ ") for text in (name, *_groups(name)))} - {""}
    return any(matches(pattern, one, ignore_case=True) for one in spellings)


def _groups(name: str) -> list[str]:
    return [group for group in name.split("=")[:3] if group.strip("^ ")]


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    # Casefolding makes ss of ß, which the skeleton does as well; a comma parts family and given name.
    return folded.replace(",", "^", 1) if "^" not in folded else folded


def _strip_marks(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _compare_groups(seen: str, expected: str) -> Agreement:
    if seen.rstrip("^ ") == expected.rstrip("^ "):
        return 1.0, ""
    ours, theirs = _fold(seen), _fold(expected)
    if _tidy(ours) == _tidy(theirs):
        return 1.0, "case"
    first, second = _family_and_given(ours), _family_and_given(theirs)
    if _joined(first) == _joined(second):
        same_letters = [_squash(part) for part in first] == [_squash(part) for part in second]
        if same_letters:
            plain = [part.strip() for part in first] == [part.strip() for part in second]
            return 0.98, "prefix or suffix" if plain else "punctuation"
    return _compare_parts((_skeletons(first)), (_skeletons(second)))


def _compare_parts(seen: tuple[str, str], expected: tuple[str, str]) -> Agreement:
    """Compare family and given names, as skeletons of words."""
    if _joined(seen) == _joined(expected):
        same = [_squash(part) for part in seen] == [_squash(part) for part in expected]
        return 0.95, "transliteration" if same else "component order"
    if sorted(" ".join(seen).split()) == sorted(" ".join(expected).split()):
        return 0.93, "component order"
    orders = [(seen, expected), ((seen[1], seen[0]), expected)]
    for ours, theirs in orders:
        if likeness := _part_by_part(ours, theirs):
            return likeness
    return _rest(seen, expected)


def _part_by_part(seen: tuple[str, str], expected: tuple[str, str]) -> Agreement | None:
    (family, given), (their_family, their_given) = seen, expected
    if _squash(family) == _squash(their_family):
        if not given or not their_given:
            return 0.7, "no given name"
        ours, theirs = given.split(), their_given.split()
        if set(ours) <= set(theirs) or set(theirs) <= set(ours):
            return 0.9, "missing given name"
        if _initials_of(ours, theirs) or _initials_of(theirs, ours):
            return 0.85, "initials"
    ours_joined, theirs_joined = _squash(family + given), _squash(their_family + their_given)
    shorter, longer = sorted((ours_joined, theirs_joined), key=len)
    if len(shorter) >= 12 and longer.startswith(shorter):
        return 0.85, "cut off"
    if _is_typo(family, their_family) and _is_typo(given, their_given):
        is_one = _squash(family) == _squash(their_family) or _squash(given) == _squash(their_given)
        return (0.85, "typo") if is_one else (0.7, "typos")
    return None


def _rest(seen: tuple[str, str], expected: tuple[str, str]) -> Agreement:
    same_family = bool(seen[0]) and _squash(seen[0]) == _squash(expected[0])
    same_given = bool(seen[1]) and _squash(seen[1]) == _squash(expected[1])
    words, others = set(seen[0].split()), set(expected[0].split())
    if same_given and words & others:
        return 0.7, "part of a double name"
    if same_given:
        return 0.3, "other family name"
    if same_family:
        return 0.3, "other given name"
    return 0.0, ""


def _is_typo(one: str, other: str) -> bool:
    """Whether two words differ by at most one slip, in a word long enough for it to be one."""
    one, other = _squash(one), _squash(other)
    if one == other:
        return True
    longest = max(len(one), len(other))
    same_start = one[:1] == other[:1]
    return longest >= (4 if same_start else 5) and one_slip(one, other)


def _initials_of(short: Sequence[str], long: Sequence[str]) -> bool:
    return len(short) <= len(long) and all(
        one == other or (len(one.rstrip(".")) == 1 and other.startswith(one.rstrip(".")))
        for one, other in zip(short, long, strict=False)
    )


def _family_and_given(folded: str) -> tuple[str, str]:
    """The family name, and given with middle names (the first three components)."""
    parts = [part.strip() for part in folded.split("^")]
    family, given, middle = [*parts, "", ""][:3]
    return family, f"{given} {middle}".strip()


def _tidy(folded: str) -> str:
    return "^".join(" ".join(part.split()) for part in folded.split("^")).rstrip("^ ")


def _skeletons(parts: tuple[str, str]) -> tuple[str, str]:
    family, given = (" ".join(skeleton(_spaced(part)).split()) for part in parts)
    return family, given


def _joined(parts: tuple[str, str]) -> str:
    return _squash(parts[0] + parts[1])


def _spaced(text: str) -> str:
    return "".join(c if c.isalnum() or unicodedata.combining(c) else " " for c in text.replace("'", ""))


@lru_cache(maxsize=4096)
def _squash(text: str) -> str:
    return "".join(c for c in text if c.isalnum())
