"""multipart/related answers of WADO-RS, written as a stream, and the choice among what a client accepts."""

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Final

CHUNK: Final = 256 << 10

APPLICATION_DICOM: Final = "application/dicom"
DICOM_JSON: Final = "application/dicom+json"
OCTET_STREAM: Final = "application/octet-stream"
EXPLICIT_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"

# Asked for by clients that don't know the registered names.
_OTHER_NAMES: Final = {
    "application/json": DICOM_JSON,
    "image/x-dicom-rle": "image/dicom-rle",
    "image/x-jls": "image/jls",
}
_MOST_RANGES: Final = 100
_LONGEST_ACCEPT: Final = 4 << 10
_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# RFC 9110 5.6.6; a bare value may hold what should have been quoted, since type=application/dicom is common.
_PARAMETER = re.compile(rf'\s*;\s*(?:({_NAME})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*))?')
_SEPARATORS = re.compile(r"[\s,]*")
_MEDIA_RANGE = re.compile(rf"({_NAME})/({_NAME})")
_REST = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^",])*')
_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


# Writing


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its Content-Type and its bytes in chunks."""

    content_type: str
    body: Iterable[bytes]
    location: str = ""


def new_boundary() -> str:
    """Make a boundary that no content can hold but by a chance of 2 to the -128 (RFC 2046 5.1.1)."""
    return secrets.token_hex(16)


def content_type(part_type: str, boundary: str) -> str:
    """Give the Content-Type of the whole answer (RFC 2387 3, PS3.18 8.7.1).

    `part_type` is the media type of the parts without their parameters.
    """
    return f'multipart/related; type="{part_type.partition(";")[0].strip()}"; boundary={boundary}'


def write(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """Write the parts one after the other (RFC 2046 5.1.1); nothing is held but a chunk.

    A part that fails raises here. The closing delimiter is then missing, by which the client knows.
    """
    for part in parts:
        yield _head(part, boundary)
        yield from part.body
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _head(part: Part, boundary: str) -> bytes:
    lines = [f"--{boundary}", f"Content-Type: {part.content_type}"]
    if part.location:
        lines.append(f"Content-Location: {part.location}")
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("line break in a part header")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def file_range(path: str | PathLike[str], start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """Read a range of a file in chunks; OSError if it ends early, lest a cut file pass for whole."""
    with open(path, "rb") as file:
        file.seek(start)
        while length is None or length > 0:
            chunk = file.read(CHUNK if length is None else min(CHUNK, length))
            if not chunk:
                break
            if length is not None:
                length -= len(chunk)
            yield chunk
    if length:
        raise OSError("file shorter than its range")


# Choosing


@dataclass(frozen=True, slots=True)
class Representation:
    """What can be answered: a media type, by itself or as parts of multipart/related."""

    media_type: str
    multipart: bool = False
    transfer_syntax: str = ""  # '' where none applies


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One range of an Accept header: `multipart/related; type=…` gives its inner type."""

    media_type: str
    multipart: bool | None  # None: either will do
    transfer_syntax: str  # '*': any; '': not said
    quality: float
    parameters: dict[str, str] = field(default_factory=dict, compare=False)


def parse_accept(accept: str) -> list[MediaRange]:
    """Read an Accept header (RFC 9110 12.5.1, PS3.18 8.7.5); ranges that make no sense are left out."""
    ranges: list[MediaRange] = []
    position = 0
    accept = accept[:_LONGEST_ACCEPT]
    while len(ranges) < _MOST_RANGES and position < len(accept):
        separators = _SEPARATORS.match(accept, position)
        position = separators.end() if separators else position
        match = _MEDIA_RANGE.match(accept, position)
        if match is None:
            position = _next_range(accept, position)
            continue
        parameters, position = _parameters(accept, match.end())
        found = _media_range(f"{match[1]}/{match[2]}".lower(), parameters)
        end = _next_range(accept, position)
        if found is not None and not accept[position:end].strip(" \t,"):
            ranges.append(found)
        position = end
    return ranges


def _next_range(accept: str, position: int) -> int:
    """Find the end of this range: the next comma that isn't quoted."""
    match = _REST.match(accept, position)
    return (match.end() if match else position) + 1


def _parameters(accept: str, position: int) -> tuple[dict[str, str], int]:
    parameters: dict[str, str] = {}
    while match := _PARAMETER.match(accept, position):
        position = match.end()
        if match[1]:
            value = match[2]
            if value.startswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            parameters.setdefault(match[1].lower(), value.strip())
    return parameters, position


def _media_range(media_type: str, parameters: dict[str, str]) -> MediaRange | None:
    quality = parameters.get("q", "1")
    if not _QUALITY.fullmatch(quality):
        return None
    multipart: bool | None = False
    if media_type in ("multipart/related", "multipart/*"):
        multipart, media_type = True, parameters.get("type", "*/*").lower()
    elif media_type == "*/*":
        multipart = None
    media_type = _OTHER_NAMES.get(media_type, media_type)
    syntax = parameters.get("transfer-syntax", "")
    return MediaRange(media_type, multipart, syntax, float(quality), parameters)


def negotiate(accept: str | None, offers: Sequence[Representation]) -> Representation | None:
    """Choose what to answer (PS3.18 8.7.5); None means 406.

    Each offer gets the quality of the most specific range that it fits (RFC 9110 12.5.1). Among equals the
    client's order counts, then ours. A range of application/dicom or bulk data that names no transfer
    syntax means Explicit VR Little Endian (PS3.18 8.7.3); where that isn't offered, what is stored is
    better than nothing.
    """
    ranges = parse_accept(accept) if accept and accept.strip() else parse_accept("*/*")
    ranked: list[tuple[tuple[float, int, int, int, int], Representation]] = []
    for place, offer in enumerate(offers):
        fits = [(_specificity(range_, offer), -index) for index, range_ in enumerate(ranges)]
        specific, order = max(fits, default=(-1, 0))
        if specific < 0 or ranges[-order].quality == 0:
            continue
        chosen = ranges[-order]
        default = _is_default(chosen, offer)
        ranked.append(((chosen.quality, int(specific > 0), order, default, -place), offer))
    return max(ranked, key=lambda entry: entry[0])[1] if ranked else None


def _specificity(wanted: MediaRange, offer: Representation) -> int:
    """Tell how closely a range fits an offer; -1 if it doesn't."""
    if wanted.multipart is not None and wanted.multipart != offer.multipart:
        return -1
    kind, _, _ = wanted.media_type.partition("/")
    if wanted.media_type == "*/*":
        level = 0 if wanted.multipart is None else 1
    elif wanted.media_type.endswith("/*"):
        level = 2 if offer.media_type.startswith(f"{kind}/") else -1
    else:
        level = 3 if offer.media_type == wanted.media_type else -1
    if level < 0 or wanted.transfer_syntax in ("", "*"):
        return level if level < 0 else 2 * level
    return 2 * level + 1 if wanted.transfer_syntax == offer.transfer_syntax else -1


def _is_default(wanted: MediaRange, offer: Representation) -> int:
    names_type = not wanted.media_type.endswith("/*")
    return int(
        names_type and wanted.transfer_syntax == "" and offer.transfer_syntax == EXPLICIT_LITTLE_ENDIAN
    )
