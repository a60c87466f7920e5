"""Numbers that a sender left out. They follow from the order's own number, so a replay makes the same."""

import base64
import hashlib
import uuid
from typing import Final

NAMESPACE: Final = "RISPACS"
"""Of the numbers that are given here; our application in HL7 (MSH-3)."""
LETTERS: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""None that is read as another."""
_TO_LETTERS: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", LETTERS)
_OF_LABEL: Final = 10
_STUDIES: Final = uuid.UUID("6f0d1f9a-54f5-5f0e-9df3-0b8fca3fd2d1")


def number(*parts: object) -> str:
    """Sixteen characters (DICOM SH) that follow from `parts`."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return base64.b32encode(digest)[:16].decode()


def label(*parts: object) -> str:
    """Ten characters that follow from `parts`, for people: none of them is read or heard as another."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return base64.b32encode(digest)[:_OF_LABEL].decode().translate(_TO_LETTERS)


def study_instance_uid(*parts: object) -> str:
    """A UID under 2.25 (PS3.5 B.2), from a UUID of version 5 that follows from `parts`."""
    return f"2.25.{uuid.uuid5(_STUDIES, chr(31).join(map(str, parts))).int}"
