"""Celery's broker where there is no Redis: each message is a file in one folder.

Kombu's own transport of this kind writes a message in place, so that a worker may read half of one, and dies
of what it can't read. Here a message appears by being renamed, and belongs to the worker that removes it. One
that can't be read, whatever is wrong with it, is dropped and counted: the sweeper finds the work.
"""

import json
import logging
import os
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any, Final

from kombu.exceptions import ChannelError
from kombu.transport import virtual

logger = logging.getLogger(__name__)

PART: Final = ".part"
"""How the name of a file ends that is still being written."""
ABANDONED: Final = 60.0
"""Seconds after which nobody will go on writing one."""


@dataclass
class Counters:
    """What this process saw, for its heartbeat."""

    notifications_dropped: int = 0

    def snapshot(self) -> dict[str, int]:
        return dict(vars(self))


counters = Counters()


class Channel(virtual.Channel):
    """Reads and writes messages in the folder that the transport option `folder` names."""

    def __init__(self, connection: Any, **options: Any) -> None:
        super().__init__(connection, **options)  # type: ignore[no-untyped-call]  # kombu has few types
        self.folder: str = connection.client.transport_options["folder"]
        self._passed_over: set[str] = set()
        self._trouble = ""

    def _put(self, queue: str, message: Any, **_: Any) -> None:
        path = Path(self.folder, f"{time.time_ns():020}_{uuid.uuid4().hex}.{queue}.msg")
        part = path.with_name(path.name + PART)
        try:
            self._make_folder()
            part.write_bytes(json.dumps(message).encode())
            part.rename(path)
        except OSError as error:
            raise ChannelError(f"{path} can't be written: {error.strerror}") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        """The message that has waited longest. Raises `Empty`."""
        for path in self._waiting(queue):
            try:
                return self._take(path)
            except FileNotFoundError:
                continue  # another worker was quicker
            except Exception as error:
                self._drop(path, error)
        raise Empty

    def _take(self, path: Path) -> Any:
        data = path.read_bytes()
        path.unlink()
        message = json.loads(data)
        _check(self.Message(message, channel=self))  # type: ignore[no-untyped-call]
        return message

    def _drop(self, path: Path, error: Exception) -> None:
        counters.notifications_dropped += 1
        logger.warning("a notification was dropped, since it can't be read: %s", type(error).__name__)
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        except OSError:
            self._passed_over.add(path.name)

    def _waiting(self, queue: str) -> list[Path]:
        """The files of a queue, the oldest first; what nobody finished writing is dropped."""
        names = [name for name in self._names() if name not in self._passed_over]
        for name in names:
            if name.endswith(PART) and _age(path := Path(self.folder, name)) > ABANDONED:
                self._drop(path, EOFError("nobody finished it"))
        return [Path(self.folder, name) for name in sorted(names) if name.endswith(f".{queue}.msg")]

    def _names(self) -> list[str]:
        try:
            self._make_folder()
            names, trouble = os.listdir(self.folder), ""
        except OSError as error:
            names, trouble = [], f"{self.folder} can't be read: {error.strerror}"
        if trouble and trouble != self._trouble:
            logger.warning("%s", trouble)
        self._trouble = trouble
        return names

    def _make_folder(self) -> None:
        os.makedirs(self.folder, exist_ok=True)

    def _size(self, queue: str) -> int:
        return len(self._waiting(queue))

    def _purge(self, queue: str) -> int:
        paths = self._waiting(queue)
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)


class Transport(virtual.Transport):
    """The transport that `broker_url` names."""

    Channel = Channel
    driver_type = driver_name = "files"

    def driver_version(self) -> str:
        return "1"


def _check(message: Any) -> None:
    """Raise whatever fits where a message isn't one by which a worker can find a task."""
    headers, properties, delivery = message.headers, message.properties, message.delivery_info
    if message.errors or not all(isinstance(part, dict) for part in (headers, properties, delivery)):
        raise TypeError("it has no envelope")
    if not all(isinstance(name, str) for name in (headers["task"], headers["id"], message.delivery_tag)):
        raise TypeError("it names no task")
    args, options, _ = message.decode()
    if not (isinstance(args, list) and isinstance(options, dict)):
        raise TypeError("it has no arguments")


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
