"""Stations that do each other's work: a step planned for a group is one of each of its stations."""

from worklist.models import Station


def titles() -> dict[str, list[str]]:
    """The AE titles of each station group."""
    groups: dict[str, list[str]] = {}
    rows = Station.objects.exclude(group="").order_by("ae_title")
    for title, group in rows.values_list("ae_title", "group"):
        groups.setdefault(group, []).append(title)
    return groups
