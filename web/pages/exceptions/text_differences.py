"""Where two texts differ, letter by letter, so that a page can mark it inside the texts themselves."""

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

LONGEST: Final = 400
"""Letters of a text that are compared one by one; longer ones are marked as a whole."""
_ALIKE_FROM: Final = 0.7
"""Less alike than this, single letters that agree mean nothing."""


@dataclass(frozen=True)
class Piece:
    """A part of a text, and whether the other text has something else there."""

    text: str
    differs: bool


Pieces = tuple[Piece, ...]


def between(seen: str, expected: str) -> tuple[Pieces, Pieces]:
    """Both texts in pieces. Case does not count; a side that says nothing differs from nothing."""
    if not seen or not expected:
        return _all(seen, False), _all(expected, False)
    ours, theirs = seen.casefold(), expected.casefold()
    if ours == theirs:
        return _all(seen, False), _all(expected, False)
    same_length = len(ours) == len(seen) and len(theirs) == len(expected)
    if not same_length or max(len(seen), len(expected)) > LONGEST:
        return _all(seen, True), _all(expected, True)
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    if matcher.ratio() < _ALIKE_FROM:
        return _all(seen, True), _all(expected, True)
    left, right = [], []
    for kind, a, b, c, d in matcher.get_opcodes():
        left.append(Piece(seen[a:b], kind != "equal"))
        right.append(Piece(expected[c:d], kind != "equal"))
    return _kept(left), _kept(right)


def unmarked(text: str) -> Pieces:
    """A text in which nothing is marked."""
    return _all(text, False)


def _all(text: str, differs: bool) -> Pieces:
    return (Piece(text, differs),) if text else ()


def _kept(pieces: list[Piece]) -> Pieces:
    return tuple(piece for piece in pieces if piece.text)
