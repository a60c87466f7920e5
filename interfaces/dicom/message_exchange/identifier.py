"""Identifiers and other small data sets of DIMSE messages: bytes to pydicom and back.

Whatever goes wrong inside pydicom comes out as `IdentifierError`, with no value in its text.
"""

from io import BytesIO

import pydicom.config
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from archive.dataset.limits import Limits
from archive.dataset.walk import walk

# pydicom's warnings about invalid values quote them: patient data would get to stderr and logs.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE

UNABLE_TO_PROCESS = 0xC000
DOES_NOT_MATCH = 0xA900

_LIMITS = Limits(depth=16, elements=20_000)
_ENCODINGS = {
    str(ImplicitVRLittleEndian): (True, True),
    str(ExplicitVRLittleEndian): (False, True),
    str(ExplicitVRBigEndian): (False, False),
}


class IdentifierError(Exception):
    """A data set that can't be read or written, or (raised by a service) doesn't fit its SOP class.

    Attributes
    ----------
    status : int
        C000H (unable to process) or A900H (data set does not match SOP class), PS3.4 tables C.4-1 and K.4-2.
    comment : str
        What the peer may be told; no values.
    """

    def __init__(self, comment: str, status: int = UNABLE_TO_PROCESS) -> None:
        super().__init__(comment)
        self.comment = comment
        self.status = status


def decode(data: bytes, transfer_syntax: str) -> Dataset:
    """Decode a data set, each element of it, so that nothing fails later.

    Raises
    ------
    IdentifierError
        If the transfer syntax is not one of the native three, or the bytes are no data set in it.
    """
    implicit, little = _encoding(transfer_syntax)
    try:
        if data:
            walk(data, transfer_syntax, limits=_LIMITS)  # pydicom takes what it can get from cut data
        dataset = read_dataset(BytesIO(data), implicit, little)
        _convert(dataset)
    except Exception as error:  # pydicom raises whatever its parts raise, RecursionError among them
        raise IdentifierError("Data set can't be decoded") from error
    return dataset


def encode(dataset: Dataset, transfer_syntax: str) -> bytes:
    """Encode a data set.

    Raises
    ------
    IdentifierError
        If a value can't be written in its VR or character set.
    """
    implicit, little = _encoding(transfer_syntax)
    target = DicomBytesIO()
    target.is_implicit_VR, target.is_little_endian = implicit, little
    try:
        write_dataset(target, dataset)
    except Exception as error:  # pydicom raises whatever its parts raise
        raise IdentifierError("Data set can't be encoded") from error
    return target.getvalue()


def _encoding(transfer_syntax: str) -> tuple[bool, bool]:
    try:
        return _ENCODINGS[transfer_syntax]
    except KeyError:
        raise IdentifierError("Transfer syntax not supported for this") from None


def _convert(dataset: Dataset) -> None:
    dataset.decode()
    for element in dataset:
        if element.tag.group in (0x0000, 0x0002):
            raise ValueError
        if element.VR == "SQ":
            for item in element.value:
                _convert(item)
