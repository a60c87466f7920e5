"""Named places at which a test kills the process, one by one."""

import os
import signal

_NAME, _, _COUNT = os.environ.get("ENGINE_CRASH", "").partition(":")
_left = int(_COUNT or 1)


def crashpoint(name: str) -> None:
    """Kill this process with SIGKILL at the n-th pass, if `ENGINE_CRASH=name:n` is set."""
    global _left
    if name != _NAME:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
