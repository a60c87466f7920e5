"""The services that a station may be given; the protocols above, which provide them, say which there are."""

from collections.abc import Callable, Iterable

_offers: list[Callable[[], Iterable[str]]] = []


def offer(names: Callable[[], Iterable[str]]) -> None:
    """Have services known; called at the start, and `names` when a site file is read."""
    _offers.append(names)


def known(name: str) -> str:
    """The name of a service that is there; raises ValueError for another."""
    names = sorted(name for names in _offers for name in names())
    if name not in names:
        raise ValueError(f"there is no such service; there are: {', '.join(names)}")
    return name
