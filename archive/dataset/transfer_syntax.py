"""Transfer syntaxes (PS3.5 Annex A): which there are, and which of them a file can have."""

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
# Implicit VR besides PS3.5 A.1: GE private (its pixels are big endian) and Papyrus 3.
ALSO_IMPLICIT = ("1.2.840.113619.5.2", "1.2.840.10008.1.20")
NATIVE = frozenset(
    (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, DEFLATED, EXPLICIT_BIG_ENDIAN, *ALSO_IMPLICIT)
)
# JPIP keeps its pixels elsewhere, ST 2110 is a stream, MIME and XML wrap something else: no files of ours.
_NOT_IN_A_FILE = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (94, 95, 204, 205))
_NOT_IN_A_FILE_PREFIXES = ("1.2.840.10008.1.2.6.", "1.2.840.10008.1.2.7.")
VIDEO_PREFIXES = tuple(f"1.2.840.10008.1.2.4.{n}" for n in range(100, 109))


def is_for_files(transfer_syntax: str) -> bool:
    """Tell whether an object in this transfer syntax is whole in itself."""
    return transfer_syntax not in _NOT_IN_A_FILE and not transfer_syntax.startswith(_NOT_IN_A_FILE_PREFIXES)


def is_video(transfer_syntax: str) -> bool:
    """Tell whether frames of this transfer syntax share one stream (PS3.5 8.2.5 and following)."""
    return transfer_syntax.startswith(VIDEO_PREFIXES)
