"""`python -m simulator`: play a hospital day against the system that the environment names."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence

import pynetdicom

from simulator import api, surroundings
from simulator.day import Day, Wish


def main(arguments: Sequence[str]) -> int:
    """Play the day, print what came of it, and go on with a trickle of orders until stopped."""
    try:
        around, wish = surroundings.here(), wished(arguments, os.environ)
    except ValueError as error:
        print(f"the environment can't be used: {error}", file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    # Its warnings are about associations that we make again.
    pynetdicom._config.LOG_HANDLER_LEVEL = "none"
    if not api.wait_until_ready(around.http, stop):
        return 0
    day = Day(around, wish, stop, say)
    try:
        found = day.play()
        if not stop.is_set():
            say("\n" + found.text)
            (around.folder / "summary.txt").write_text(found.text)
            if wish.trickle:
                say("the day is over; an order now and then keeps the pages alive until Ctrl-C")
                day.go_on()
    finally:
        day.close()
    return 0


def wished(arguments: Sequence[str], environment: Mapping[str, str]) -> Wish:
    """What the command line asks for, else the environment."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    speed, seed = environment.get("RIS_PACS_DEMO_SPEED", "60"), environment.get("RIS_PACS_DEMO_SEED", "1")
    orders = environment.get("RIS_PACS_DEMO_ORDERS", "150")
    parser.add_argument("--orders", type=int, default=orders, help="orders of the day (150)")
    parser.add_argument("--speed", type=float, default=speed, help="times as fast as a real day (60)")
    parser.add_argument("--seed", type=int, default=seed, help="the same seed draws the same day (1)")
    parser.add_argument("--faults", type=int, help="studies that go wrong (a tenth of the orders)")
    parser.add_argument("--once", action="store_true", help="end with the day")
    options = parser.parse_args(arguments)
    if options.speed <= 0 or options.orders < 1:
        raise ValueError("speed and orders are greater than 0")
    return Wish(
        orders=options.orders,
        speed=options.speed,
        seed=options.seed,
        faults=options.faults,
        trickle=not options.once,
    )


def say(text: str) -> None:
    """Print a line, or several, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
