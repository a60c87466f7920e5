"""Those who act in tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from accounts.actor import Actor, Interface
from accounts.models import Role, User
from worklist.provenance import Provenance

ADDRESS = "192.0.2.7"


def acting(user: User, interface: Interface = Interface.PAGE) -> Actor:
    return Actor.of_user(user, interface=interface, address=ADDRESS)


def integrator(name: str) -> Actor:
    return acting(User(username=name, roles=[Role.INTEGRATOR]))


@contextmanager
def stamped_as(provenance: Provenance) -> Iterator[Actor]:
    """What this one does is done at the time of a provenance, under its stamp."""
    with mock.patch.object(Provenance, "of_person", lambda by, facility, at=None: provenance):
        yield Actor.system()
