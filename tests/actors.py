"""Those who act in tests."""

from accounts.actor import Actor, Interface
from accounts.models import Role, User

ADDRESS = "192.0.2.7"


def acting(user: User, interface: Interface = Interface.PAGE) -> Actor:
    return Actor.of_user(user, interface=interface, address=ADDRESS)


def integrator(name: str) -> Actor:
    return acting(User(username=name, roles=[Role.INTEGRATOR]))
