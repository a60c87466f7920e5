"""Walk the structure of a DICOM dataset (PS3.5 section 7) without reading its values.

A C-STORE is answered only after this walk: a general reader takes what it can get from a cut file, an
archive must not. The walk knows tags, VRs and lengths; it skips values, never recurses, and every bound
is in `Limits`. Nothing but `DatasetError` leaves this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from archive.dataset.dataset_error import DatasetError
from archive.dataset.deflated import inflate
from archive.dataset.element_coding import UNDEFINED, coding_of
from archive.dataset.limits import LIMITS, Limits
from archive.dataset.pixel_data import Pixels, check_pixels, pixels_of
from archive.dataset.structure import Buffer, Span, Structure
from archive.dataset.tags import (
    PIXELS,
    SERIES_INSTANCE_UID,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
)
from archive.dataset.transfer_syntax import DEFLATED


@dataclass(frozen=True, slots=True)
class Walked:
    """What the walk learned. Offsets of a deflated dataset count in the inflated bytes."""

    transfer_syntax: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    pixel_data_offset: int | None  # first byte of the pixel value (encapsulated: of the first item tag)
    header_end: int  # where the pixel element begins, or the end of the dataset
    end: int
    elements: int
    warnings: tuple[str, ...]
    pixels: Pixels | None
    encapsulated: bool
    spans: Mapping[int, Span] = field(repr=False)


def walk(buffer: Buffer, transfer_syntax: str, *, start: int = 0, limits: Limits = LIMITS) -> Walked:
    """Walk the dataset that fills `buffer` from `start` to its end.

    Parameters
    ----------
    buffer : bytes-like or mmap
        The dataset, without Part 10 preamble and File Meta Information unless `start` skips them.
    transfer_syntax : str
        The transfer syntax UID it was sent or stored in.

    Raises
    ------
    DatasetError
        The bytes aren't one whole dataset in that transfer syntax, or cost more than `limits` allow.
    """
    coding = coding_of(transfer_syntax)
    if transfer_syntax != DEFLATED:
        return _finish(Structure(buffer, coding, limits), start, transfer_syntax)
    with inflate(buffer, start, limits) as inflated:
        return _finish(Structure(inflated, coding, limits), 0, transfer_syntax)


def _finish(structure: Structure, start: int, transfer_syntax: str) -> Walked:
    """Run the walk and judge the pixel data by what it noted."""
    end = len(structure.buffer)
    if not 0 <= start < end:
        raise DatasetError("empty dataset", start)
    structure.run(start)
    pixels = pixels_of(structure)
    pixel_span = next((structure.spans[tag] for tag in sorted(PIXELS) if tag in structure.spans), None)
    check_pixels(structure, pixels, pixel_span, transfer_syntax)
    return Walked(
        transfer_syntax=transfer_syntax,
        sop_class_uid=structure.text(SOP_CLASS_UID),
        sop_instance_uid=structure.text(SOP_INSTANCE_UID),
        study_instance_uid=structure.text(STUDY_INSTANCE_UID),
        series_instance_uid=structure.text(SERIES_INSTANCE_UID),
        pixel_data_offset=pixel_span.value if pixel_span else None,
        header_end=pixel_span.start if pixel_span else end,
        end=end,
        elements=structure.count,
        warnings=tuple(
            f"{reason} at offset {first}" + (f", {times} times" if times > 1 else "")
            for reason, (first, times) in structure.warned.items()
        ),
        pixels=pixels,
        encapsulated=pixel_span is not None and pixel_span.length == UNDEFINED,
        spans=structure.spans,
    )
