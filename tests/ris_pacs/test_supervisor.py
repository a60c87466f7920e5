"""The supervisor, run as a process of its own with children that stand in for the real ones."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUPERVISE = """
import json, sys
from ris_pacs import supervisor
children, changed = map(json.loads, sys.argv[1:])
vars(supervisor).update(changed)
supervisor.Supervisor([supervisor.Child(*child) for child in children]).run()
"""
LIVE = "import os, time; print('lives as', os.getpid(), flush=True); time.sleep(600)"
WITH_GRANDCHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {LIVE!r}]); {LIVE}"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {LIVE}"
IDLE_GUARD = "import time; time.sleep(600)"

Start = Callable[..., "Run"]


class Run:
    """A running supervisor and what it prints."""

    def __init__(self, programs: dict[str, str | list[str]], **changed: object) -> None:
        children = [
            (name, [sys.executable, "-c", program] if isinstance(program, str) else program)
            for name, program in programs.items()
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, json.dumps(children), json.dumps(changed)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )

    def line(self, containing: str) -> str:
        """Read on until a line contains this."""
        assert self.process.stdout
        for line in self.process.stdout:
            if containing in line:
                return line.rstrip("\n")
        raise AssertionError(f"it ended without saying {containing!r}")

    def pid(self) -> int:
        """The process that the next child says it is."""
        return int(self.line("lives as").split()[-1])

    def guard(self) -> int:
        """The process that waits for the supervisor's end."""
        [pid] = [pid for pid in _children(self.process.pid) if "killpg" in _command(pid)]
        return pid

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@pytest.fixture
def start() -> Iterator[Start]:
    runs: list[Run] = []

    def begin(programs: dict[str, str | list[str]], **changed: object) -> Run:
        runs.append(Run(programs, **changed))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.stop()


def test_it_prefixes_what_each_child_prints(start: Start) -> None:
    run = start({"web": "print('one\\ntwo', flush=True); import time; time.sleep(600)"})

    assert run.line("one") == "web        | one"
    assert run.line("two") == "web        | two"


def test_it_restarts_a_killed_child_within_a_second(start: Start) -> None:
    run = start({"web": LIVE})
    os.kill(run.pid(), signal.SIGKILL)
    killed_at = time.monotonic()

    assert "web was ended by SIGKILL; starting it again in 0.5 s" in run.line("supervisor")
    assert alive(run.pid())
    assert time.monotonic() - killed_at < 1


def test_it_waits_twice_as_long_each_time_a_child_ends_at_once(start: Start) -> None:
    run = start({"web": "raise SystemExit(3)"}, LONGEST_DELAY=1)

    delays = [run.line("web ended with status 3").split()[-2] for _ in range(3)]

    assert delays == ["0.5", "1", "1"]


def test_a_child_that_lived_long_enough_begins_with_the_first_delay_again(start: Start) -> None:
    run = start({"web": "import time; time.sleep(0.3)"}, STEADY=0.2)

    assert [run.line("web ended").split()[-2] for _ in range(3)] == ["0.5", "0.5", "0.5"]


def test_it_goes_on_trying_a_program_that_is_not_there(start: Start) -> None:
    run = start({"web": ["/no/such/program"]})

    assert run.line("No such file").endswith("starting it again in 0.5 s")
    assert run.line("No such file").endswith("starting it again in 1 s")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all_and_leaves_nobody_behind(start: Start, number: int) -> None:
    run = start({"web": WITH_GRANDCHILD, "worker": LIVE})
    pids = [run.pid(), run.pid(), run.pid(), run.guard()]

    assert run.stop(number) == 0
    assert not still_alive(pids, within=1)


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(start: Start) -> None:
    run = start({"web": STUBBORN}, GRACE=1)
    pid = run.pid()
    asked_at = time.monotonic()

    run.process.terminate()
    assert "killing web" in run.line("supervisor")
    assert run.process.wait(timeout=10) == 0
    assert 1 <= time.monotonic() - asked_at < 3
    assert not alive(pid)


def test_one_signal_that_arrives_twice_is_no_haste(start: Start) -> None:
    """`make` passes SIGTERM on to a child that the group's SIGTERM has reached already."""
    run = start({"web": STUBBORN}, GRACE=2)
    run.pid()
    asked_at = time.monotonic()
    run.process.terminate()
    time.sleep(0.2)
    run.process.terminate()

    run.process.wait(timeout=10)
    assert time.monotonic() - asked_at >= 2


def test_a_later_second_signal_kills_at_once(start: Start) -> None:
    run = start({"web": STUBBORN}, GRACE=60)
    pid = run.pid()
    run.process.terminate()
    time.sleep(1.2)

    assert run.stop() == 0
    assert not alive(pid)


def test_nobody_survives_a_killed_supervisor(start: Start) -> None:
    run = start({"web": WITH_GRANDCHILD, "worker": STUBBORN})
    pids = [run.pid(), run.pid(), run.pid(), run.guard()]

    run.stop(signal.SIGKILL)

    assert not still_alive(pids, within=3)


def test_without_its_guard_a_killed_supervisor_leaves_children(start: Start) -> None:
    """The negative control of the test above."""
    run = start({"web": STUBBORN}, GUARD=IDLE_GUARD)
    pid = run.pid()
    [guard] = [child for child in _children(run.process.pid) if child != pid]

    run.stop(signal.SIGKILL)

    assert still_alive([pid], within=2)
    os.kill(guard, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)


def test_a_killed_guard_is_replaced_and_still_guards(start: Start) -> None:
    run = start({"web": LIVE})
    pid, guard = run.pid(), run.guard()
    os.kill(guard, signal.SIGKILL)
    wait_for(lambda: run.guard() != guard)

    run.stop(signal.SIGKILL)

    assert not still_alive([pid], within=3)


def test_it_recovers_when_guard_and_children_are_killed_at_once(start: Start) -> None:
    run = start({"web": LIVE, "worker": LIVE})
    before = [run.pid(), run.pid(), run.guard()]
    for pid in before:
        os.kill(pid, signal.SIGKILL)

    after = [run.pid(), run.pid(), run.guard()]

    run.stop(signal.SIGKILL)
    assert not still_alive(after, within=3)


def test_output_that_nobody_reads_holds_no_child_up(start: Start, tmp_path: Path) -> None:
    done = tmp_path / "done"
    run = start(
        {"web": f"print('x' * 79 + '\\n', flush=True); print(('x' * 79 + '\\n') * 50_000); {_touch(done)}"}
    )

    wait_for(done.exists)
    assert run.stop() == 0


def test_children_live_on_when_the_output_is_closed(start: Start, tmp_path: Path) -> None:
    done = tmp_path / "done"
    run = start({"web": f"import time; time.sleep(1); print('x', flush=True); {_touch(done)}"})
    assert run.process.stdout
    run.process.stdout.close()

    wait_for(done.exists)
    assert run.stop() == 0


def _touch(path: Path) -> str:
    return f"open({str(path)!r}, 'w').close(); import time; time.sleep(600)"


def _children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def still_alive(pids: list[int], *, within: float) -> list[int]:
    """Those that live after so many seconds; at once if there are none."""
    deadline = time.monotonic() + within
    while (living := [pid for pid in pids if alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return living


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(ValueError):
            if condition():
                return
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
