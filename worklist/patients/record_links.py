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
KEPT_APART: Final = "a message names two records together that were unlinked"
_REJOINED: Final = "the unlinked records were joined again through others"

_ORDER: Final[Mapping[str, int]] = {LinkKind.UNLINK: 0, LinkKind.LINK: 1, LinkKind.MERGE: 2}
"""Of one message what parts comes before what joins, so that it can part from one and join to another."""

_Told = tuple[int, LinkRecord]
"""A link, and as which of all it was told."""


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
        self._by: dict[int, LinkRecord] = {}
        self._merged: dict[int, _Told] = {}
        self._joins: list[_Told] = []
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
        return self._by.get(key)

    def _tell(self, link: LinkRecord) -> None:
        self._told += 1
        if link.kind == LinkKind.UNLINK:
            self._part(link)
        elif link.kind == LinkKind.MERGE:
            self._merge(link)
        else:
            self._join(self._told, link)

    def _merge(self, link: LinkRecord) -> None:
        retired, survivor = link.retired_id, link.survivor_id
        before = self._merged.get(retired)
        if before is not None and before[1].survivor_id == survivor:
            return
        if retired not in self.parents and self.root(survivor) != retired:
            self._merged[retired] = self._told, link
            self._hang(retired, survivor, link)
            return
        if retired in _way_up(survivor, {key: one.survivor_id for key, (_, one) in self._merged.items()}):
            self._contradict(self._merged.pop(survivor)[1], _TURNED)
        self._merged[retired] = self._told, link
        self._rebuild()
        if before is not None and self.root(before[1].survivor_id) != self.root(survivor):
            self._contradict(before[1], _REPLACED)

    def _contradict(self, link: LinkRecord, text: str) -> None:
        self.conflicts[link.id] = text
        self.contradicted += 1

    def _rebuild(self) -> None:
        """Join anew what hangs together by merges; what joins nothing any more is passed over for good."""
        self.parents, self._by = {}, {}
        for key, (_, link) in self._merged.items():
            self._hang(key, link.survivor_id, link)
        joins, self._joins = self._joins, []
        for told, link in joins:
            self._join(told, link)

    def _hang(self, key: int, parent: int, link: LinkRecord) -> None:
        self.parents[key], self._by[key] = parent, link

    def _join(self, told: int, link: LinkRecord) -> None:
        lower, upper = self.root(link.retired_id), self.root(link.survivor_id)
        if link.kind == LinkKind.SAME_MESSAGE and (unlink := self._keeping_apart(link, lower, upper)):
            later = link.stamp > unlink.stamp or _ends(link) != _ends(unlink)
            self.conflicts[link.id] = KEPT_APART if later else PARTED
        elif lower != upper:
            self._joins.append((told, link))
            self._hang(lower, upper, link)

    def _keeping_apart(self, link: LinkRecord, one: int, other: int) -> LinkRecord | None:
        if direct := self._parted.get(_ends(link)):
            return direct
        for ends, unlink in self._parted.items():
            if one != other and {self.root(end) for end in ends} == {one, other}:
                return unlink
        return None

    def _part(self, link: LinkRecord) -> None:
        """Cut what joined the two records; where that were others between them, the newest of the links."""
        if self.root(link.retired_id) != self.root(link.survivor_id):
            return
        path = self._path(link.retired_id, link.survivor_id)
        direct = [one for one in path if _ends(one[1]) == _ends(link)]
        cut = direct[0] if direct else max(path, key=lambda one: one[0])
        if cut[1].kind == LinkKind.MERGE:
            del self._merged[cut[1].retired_id]
        else:
            self._joins.remove(cut)
        self.conflicts[cut[1].id] = PARTED if direct else _CUT
        self._rebuild()

    def _path(self, one: int, other: int) -> list[_Told]:
        """The links between two records that show together: there is one way, since no link was idle."""
        neighbours: dict[int, list[tuple[int, _Told]]] = {}
        for told in (*self._merged.values(), *self._joins):
            ends = told[1].retired_id, told[1].survivor_id
            for end, far in (ends, ends[::-1]):
                neighbours.setdefault(end, []).append((far, told))
        came_by: dict[int, tuple[int, _Told] | None] = {one: None}
        front = [one]
        while front and other not in came_by:
            key = front.pop()
            for far, told in neighbours.get(key, ()):
                if far not in came_by:
                    came_by[far] = key, told
                    front.append(far)
        path = []
        while (step := came_by[other]) is not None:
            other = step[0]
            path.append(step[1])
        return path

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
