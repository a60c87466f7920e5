"""A file that is uploaded: written as it comes, within bounds, and there only once it is whole."""

import os
import uuid
from pathlib import Path

from archive.imports.zipped_disc import LARGEST, place_of
from archive.storage import volumes
from ledger.errors import Conflict, Invalid

_SPACE_ASKED_EVERY = 64 << 20


class UploadedFile:
    """A file below `folder`; one of the same name is replaced.

    Raises `Invalid` for a name that leads elsewhere and for more than `most` bytes, `Conflict` for a full
    disk. Whoever makes one calls `discard` in the end.
    """

    def __init__(self, folder: Path, name: str, most: int) -> None:
        place = place_of(name)
        if place is None:
            raise Invalid("a file's name leads outside its folder, or is too long", "file")
        self.size = 0
        self._most, self._asked_at = most, 0
        self._target = folder / place
        self._part = folder.parent / f"part.{uuid.uuid4().hex}"
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            if self._target.is_dir():
                raise IsADirectoryError
            self._file = self._part.open("xb")
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise Invalid("a file and a folder have one name", "file") from error
        except OSError as error:
            raise _not_kept(error) from error

    def add(self, chunk: bytes) -> None:
        """Write what came next."""
        if self.size + len(chunk) > self._most:
            raise Invalid(
                f"an import has {LARGEST >> 30} GB at most; import it in parts,"
                " or have an administrator import it on the server",
                "file",
            )
        try:
            if self.size >= self._asked_at:
                volume = volumes.open_volume()
                volumes.check_space(self._part.parent, volume.least_free)
                self._asked_at += _SPACE_ASKED_EVERY
            self._file.write(chunk)
        except OSError as error:
            raise _not_kept(error) from error
        self.size += len(chunk)

    def keep(self) -> int:
        """All has come: give the file its name; return its size."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._part, self._target)
        except OSError as error:
            raise _not_kept(error) from error
        return self.size

    def discard(self) -> None:
        """Close it, and remove what was not kept."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def _not_kept(error: OSError) -> Conflict:
    return Conflict(f"the file could not be kept here: {os.strerror(error.errno or 0)}")
