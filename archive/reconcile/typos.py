"""Slips of the hand: whether one turns one text into another."""


def one_slip(one: str, other: str) -> bool:
    """Whether one character was left out, put in or replaced, or two neighbours swapped."""
    shorter, longer = sorted((one, other), key=len)
    if one == other or len(longer) - len(shorter) > 1:
        return False
    if len(shorter) == len(longer):
        return one_off(one, other) or swapped(one, other)
    place = next((i for i, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b), len(shorter))
    return shorter[place:] == longer[place + 1 :]


def one_off(one: str, other: str) -> bool:
    """Whether exactly one character differs."""
    return len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) == 1


def swapped(one: str, other: str) -> bool:
    """Whether swapping two neighbouring characters makes one text the other."""
    if len(one) != len(other):
        return False
    places = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    return (
        len(places) == 2
        and places[1] == places[0] + 1
        and (one[places[0]], one[places[1]]) == (other[places[1]], other[places[0]])
    )
