"""Pictures that were made before, in `cache/pictures` below the home; the oldest go when there are too many.

Nothing in it is needed: it can be removed at any time. It shows patients, so only its owner may read it.
"""

import os
import random
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

from django.conf import settings

MOST_BYTES: Final = 1 << 30
FAILURES_KEPT: Final = 3600.0
"""Seconds after which it is tried again to make a picture that could not be made."""
_TOUCH: Final = 24 * 3600.0
_LOOK_EVERY: Final = 500
"""One in so many new pictures has the folder measured."""


def get(key: str) -> bytes | None:
    """What was put under a key: `+` and a picture, or `-` and why there is none."""
    path = _path(key)
    try:
        content = path.read_bytes()
        age = time.time() - path.stat().st_mtime
    except OSError:
        return None
    if content[:1] == b"+":
        if age > _TOUCH:
            with suppress(OSError):
                os.utime(path)
        return content
    return content if content and age < FAILURES_KEPT else None


def put(key: str, content: bytes) -> None:
    """Keep something, if there is room; nobody sees half of it."""
    path = _path(key)
    partly = path.with_name(f"{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partly.write_bytes(content)
        os.replace(partly, path)
    except OSError:
        with suppress(OSError):
            partly.unlink()
        return
    if random.randrange(_LOOK_EVERY) == 0:  # noqa: S311 it is no secret
        tidy()


def tidy(most: int = MOST_BYTES) -> None:
    """Remove the pictures that have not been looked at for longest, until four fifths of `most` are left."""
    found = []
    for path in _folder().rglob("*"):
        with suppress(OSError):
            about = path.stat()
            if path.is_file():
                found.append((about.st_mtime, about.st_size, path))
    total = sum(size for _, size, _ in found)
    if total <= most:
        return
    for _, size, path in sorted(found, key=lambda entry: entry[0]):
        with suppress(OSError):
            path.unlink()
        total -= size
        if total <= most * 4 // 5:
            return


def _folder() -> Path:
    return Path(settings.HOME) / "cache" / "pictures"


def _path(key: str) -> Path:
    return _folder() / key[:2] / key[2:]
