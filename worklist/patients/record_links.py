"""Which record a patient shows under follows from the set of links alone, whatever came first.

A merge hangs one record under another. A link, and a message that carries two identifiers, join two groups of
records and take none apart. An unlink parts two records that show together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from worklist.models import LinkKind
from worklist.patients.patient_records import LinkRecord

PARTED: Final = "parted by a later unlink"
"""Why a link is not in effect that nobody contradicts: somebody has taken it back."""
_TURNED: Final = "turned round by a later merge"
_REPLACED: Final = "replaced by a later merge into another record"
_CUT: Final = "parted by an unlink of two other records"
_KEPT_APART: Final = "a message names two records together that were unlinked"
_REJOINED: Final = "the unlinked records were joined again through others"

_ORDER: Final[Mapping[str, int]] = {LinkKind.UNLINK: 0, LinkKind.LINK: 1, LinkKind.MERGE: 2}
"""Of one message what parts comes before what joins, so that it can part from one and join to another."""


def age(link: LinkRecord) -> tuple[str, int]:
    """Sorts links by when they were said, and those of one message by what has to come first."""
    return link.stamp, _ORDER.get(link.kind, 3)


class Standing:
    """What links come to that are told oldest first: `parents` of the records that show under others.

    `conflicts` says of a link why it is not in effect, and `contradicted` counts how often one was told that
    contradicts another: a merge into another record than before, or the other way round. A newer merge of
    the same retired record replaces, an inverse one turns round; no path ever closes a circle. Of two records
    that were unlinked last, no message makes one again by only carrying both.
    """

    def __init__(self, links: Sequence[LinkRecord] = ()) -> None:
        self.parents: dict[int, int] = {}
        self.conflicts: dict[int, str] = {}
        self.contradicted = 0
        self._by: dict[int, tuple[int, LinkRecord]] = {}
        self._told = 0
        self._parted = _parted(links)
        for link in links:
            self._tell(link)
        self._look_at_unlinks()

    def add(self, link: LinkRecord) -> None:
        """Tell one that is newer than all others."""
        if link.kind == LinkKind.UNLINK:
            self._parted[_ends(link)] = link
        elif link.kind != LinkKind.SAME_MESSAGE:
            self._parted.pop(_ends(link), None)
        self._tell(link)

    def root(self, key: int) -> int:
        """The record under which one shows."""
        return root(key, self.parents)

    def joint(self, key: int) -> LinkRecord | None:
        """The link because of which a record shows under another."""
        return self._by[key][1] if key in self._by else None

    def _tell(self, link: LinkRecord) -> None:
        self._told += 1
        if link.kind == LinkKind.UNLINK:
            self._part(link)
        elif link.kind == LinkKind.MERGE:
            self._merge(link)
        else:
            self._join(link, self._told)

    def _merge(self, link: LinkRecord) -> None:
        retired, survivor = link.retired_id, link.survivor_id
        joined = []
        if self.parents.get(retired) != survivor:
            if _is_above(retired, survivor, self.parents):
                joined += self._let_go(self._what_turns(retired, survivor), _TURNED)
            elif self.root(retired) == self.root(survivor):
                joined += self._let_go(retired, "")
            joined += self._let_go(retired, _REPLACED)
        elif self._by[retired][1].kind == LinkKind.MERGE:
            return
        self.parents[retired] = survivor
        self._by[retired] = self._told, link
        for told, one in joined:
            self._join(one, told)

    def _what_turns(self, retired: int, survivor: int) -> int:
        """What goes from under its parent so that a record can hang under one below it: what only joined."""
        for key in _way_up(survivor, self.parents):
            if key == retired:
                return survivor
            if self._by[key][1].kind != LinkKind.MERGE:
                return key
        raise AssertionError

    def _let_go(self, key: int, conflict: str) -> list[tuple[int, LinkRecord]]:
        """Take a record from under its parent; what had only joined the two, which has to join them again."""
        if key not in self.parents:
            return []
        del self.parents[key]
        told, link = self._by.pop(key)
        if link.kind != LinkKind.MERGE:
            return [(told, link)]
        if conflict:
            self.conflicts[link.id] = conflict
            self.contradicted += 1
        return []

    def _join(self, link: LinkRecord, told: int) -> None:
        lower, upper = self.root(link.retired_id), self.root(link.survivor_id)
        if link.kind == LinkKind.SAME_MESSAGE and (unlink := self._keeping_apart(link, lower, upper)):
            later = link.stamp > unlink.stamp or _ends(link) != _ends(unlink)
            self.conflicts[link.id] = _KEPT_APART if later else PARTED
        elif lower != upper:
            self.parents[lower] = upper
            self._by[lower] = told, link

    def _keeping_apart(self, link: LinkRecord, one: int, other: int) -> LinkRecord | None:
        if direct := self._parted.get(_ends(link)):
            return direct
        for ends, unlink in self._parted.items():
            if one != other and {self.root(end) for end in ends} == {one, other}:
                return unlink
        return None

    def _part(self, link: LinkRecord) -> None:
        """Cut what joined the two records; where that were others between them, the newest of the links."""
        path = _path(link.retired_id, link.survivor_id, self.parents)
        if not path:
            return
        direct = [key for key in path if _ends(self._by[key][1]) == _ends(link)]
        key = direct[0] if direct else max(path, key=lambda key: self._by[key][0])
        del self.parents[key]
        self.conflicts[self._by.pop(key)[1].id] = PARTED if direct else _CUT

    def _look_at_unlinks(self) -> None:
        for ends, unlink in self._parted.items():
            if len({self.root(end) for end in ends}) == 1:
                self.conflicts[unlink.id] = _REJOINED


def is_contradiction(conflict: str) -> bool:
    """Whether a person has to look at why a link is not in effect."""
    return conflict not in ("", PARTED)


def root(key: int, parents: Mapping[int, int]) -> int:
    """The record under which one shows."""
    while key in parents:
        key = parents[key]
    return key


def component(keys: Iterable[int], links: Iterable[LinkRecord]) -> set[int]:
    """The keys of all records that links connect to these."""
    neighbours: dict[int, list[int]] = {}
    for link in links:
        neighbours.setdefault(link.retired_id, []).append(link.survivor_id)
        neighbours.setdefault(link.survivor_id, []).append(link.retired_id)
    seen: set[int] = set()
    front = list(keys)
    while front:
        key = front.pop()
        if key not in seen:
            seen.add(key)
            front += neighbours.get(key, ())
    return seen


def _parted(links: Iterable[LinkRecord]) -> dict[frozenset[int], LinkRecord]:
    """The pairs of records of which the last that was said of both of them is that they are two."""
    said = {_ends(link): link for link in links if link.kind != LinkKind.SAME_MESSAGE}
    return {ends: link for ends, link in said.items() if link.kind == LinkKind.UNLINK}


def _ends(link: LinkRecord) -> frozenset[int]:
    return frozenset((link.retired_id, link.survivor_id))


def _way_up(key: int, parents: Mapping[int, int]) -> Iterator[int]:
    yield key
    while key in parents:
        key = parents[key]
        yield key


def _path(one: int, other: int, parents: Mapping[int, int]) -> list[int]:
    """The records whose places under their parents connect the two; empty where nothing does."""
    ways = list(_way_up(one, parents)), list(_way_up(other, parents))
    if ways[0][-1] != ways[1][-1]:
        return []
    common = set(ways[0]) & set(ways[1])
    return [key for way in ways for key in way if key not in common]


def _is_above(ancestor: int, key: int, parents: Mapping[int, int]) -> bool:
    return key != ancestor and ancestor in _way_up(key, parents)
