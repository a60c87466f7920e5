"""How datasets that are made here are written."""

import re
from typing import Final

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters but for tab and line ends."""


def text(value: str, longest: int | None = None) -> str:
    """A value of SH, LO or PN: neither controls nor a backslash, which would part it in two (PS3.5 6.2)."""
    kept = CONTROL.sub(" ", " ".join(value.splitlines()).replace("\t", " ").replace("\\", "/"))
    return kept[:longest].strip() if longest else kept.strip()


def encode(dataset: Dataset) -> bytes:
    """The dataset's bytes in Explicit VR Little Endian."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset, parent_encoding="utf-8")
    return bytes(buffer.getvalue())
