"""What a dataset is refused for."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class DatasetError(Exception):
    """A dataset that can't be what it claims; `offset` counts from the start of the walked bytes.

    `reason` never holds a value from the dataset, so it may be logged and sent as an Error Comment.
    """

    def __init__(self, reason: str, offset: int = 0) -> None:
        super().__init__(f"{reason} at offset {offset}")
        self.reason = reason
        self.offset = offset


@contextmanager
def guarded(reason: str, offset: int = 0) -> Iterator[None]:
    """Call pydicom on bytes of strangers: without its warnings, and all that it raises made a DatasetError.

    It raises whatever the bytes lead it to, RecursionError and struct.error among it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DatasetError:
        raise
    except Exception:
        raise DatasetError(reason, offset) from None
