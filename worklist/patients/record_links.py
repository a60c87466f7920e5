"""Which record a patient shows under follows from the set of links alone, whatever came first."""

from collections.abc import Iterable, Mapping, Sequence

from worklist.models import LinkKind
from worklist.patients.patient_records import LinkRecord


def survivors(links: Sequence[LinkRecord]) -> tuple[dict[int, int], dict[int, str]]:
    """From links, oldest first: the parent of each retired record, and the links that contradict others.

    A newer edge for the same retired record replaces the older; an inverse one turns it round; no path
    ever closes a circle. An edge "same message" joins two groups and never takes one apart.
    """
    parents: dict[int, int] = {}
    standing: dict[int, LinkRecord] = {}
    conflicts: dict[int, str] = {}
    for link in links:
        retired, survivor = link.retired_id, link.survivor_id
        if link.kind == LinkKind.SAME_MESSAGE:
            retired, survivor = root(retired, parents), root(survivor, parents)
            if retired == survivor:
                continue
        elif parents.get(retired) == survivor:
            continue
        elif _is_above(retired, survivor, parents):
            parents.pop(survivor)
            conflicts[standing.pop(survivor).id] = "turned round by a later merge"
        if retired in parents:
            conflicts[standing[retired].id] = "replaced by a later merge into another record"
        parents[retired] = survivor
        standing[retired] = link
    return parents, conflicts


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


def _is_above(ancestor: int, key: int, parents: Mapping[int, int]) -> bool:
    while key in parents:
        key = parents[key]
        if key == ancestor:
            return True
    return False
