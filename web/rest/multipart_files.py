"""Uploads by `multipart/form-data`: each file goes to disk as it comes, none into memory (RFC 7578)."""

import shutil
from typing import Any

from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest

from accounts import access
from archive.imports import import_files
from archive.imports.uploaded_file import UploadedFile
from archive.imports.zipped_disc import LARGEST
from ledger.errors import Forbidden
from ledger.public_id import new_public_id
from web.rest.authentication import BearerOrSession


class FilesToFolder(FileUploadHandler):
    """Writes the files of a request to the folder of an import that is to be; `sizes` are theirs."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.public_id = new_public_id()
        self.sizes: list[int] = []
        self._asked = request
        self._folder = import_files.folder_named(self.public_id)
        self._names: set[str] = set()
        self._file: UploadedFile | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin a file; what is called as another one gets a number."""
        super().new_file(*args, **kwargs)
        if not access.can(self._asked.user, "study.store"):
            raise Forbidden("Your roles don't allow study.store.")
        name = str(self.file_name or "file")
        if name in self._names:
            name = f"{len(self._names)}-{name}"
        self._names.add(name)
        self._file = UploadedFile(self._folder / "files", name, LARGEST - sum(self.sizes))

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write a part of the current file."""
        assert self._file is not None
        try:
            self._file.add(raw_data)
        except BaseException:
            self.discard()
            raise

    def file_complete(self, file_size: int) -> None:
        """Keep the current file."""
        assert self._file is not None
        self.sizes.append(self._file.keep())
        self._file.discard()
        self._file = None

    def upload_interrupted(self) -> None:
        """Remove all that came."""
        self.discard()

    def discard(self) -> None:
        """Remove all that came."""
        if self._file is not None:
            self._file.discard()
        shutil.rmtree(self._folder, ignore_errors=True)


class StreamedUpload(BearerOrSession):
    """Signs in as elsewhere; the files of the body are written to disk, whoever first reads it."""

    def __call__(self, request: HttpRequest) -> Any:
        """The user, or None."""
        handler = FilesToFolder(request)
        request.upload_handlers = [handler]
        try:
            return super().__call__(request)
        except BaseException:
            handler.discard()
            raise


def upload_of(request: HttpRequest) -> FilesToFolder:
    """What came with a request, read whole."""
    (handler,) = request.upload_handlers
    assert isinstance(handler, FilesToFolder)
    return handler
