"""Addresses and secrets come from the environment, and from nowhere else."""

import pytest

from simulator.__main__ import wished
from simulator.surroundings import Surroundings, address


def test_an_address_that_listens_everywhere_is_reached_over_loopback() -> None:
    assert address("0.0.0.0:8000") == ("127.0.0.1", 8000)
    assert address("[::]:8000") == ("::1", 8000)
    assert address("ris.example.org:104") == ("ris.example.org", 104)


def test_surroundings_are_read_from_the_environment() -> None:
    found = Surroundings.of(
        {
            "RIS_PACS_HOME": "/srv/ris",
            "RIS_PACS_HL7": "127.0.0.1:2600",
            "RIS_PACS_HL7_DESTINATION": "",
            "RIS_PACS_DEMO_TOKENS": '{"tess": "rp_1"}',
            "RIS_PACS_DEMO_PASSWORD": "secret",
        }
    )

    assert found.hl7 == ("127.0.0.1", 2600)
    assert found.http == ("127.0.0.1", 8000)
    assert found.destination is None
    assert found.tokens == {"tess": "rp_1"}
    assert str(found.folder) == "/srv/ris/demo"


def test_the_command_line_comes_before_the_environment() -> None:
    environment = {"RIS_PACS_DEMO_SPEED": "90", "RIS_PACS_DEMO_SEED": "4"}
    wish = wished(["--orders", "20", "--speed", "600", "--once"], environment)

    assert (wish.orders, wish.speed, wish.seed, wish.trickle) == (20, 600.0, 4, False)


def test_a_speed_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        wished(["--speed", "0"], {})
