"""Imports, as the API shows them."""

from datetime import datetime

from ninja import Schema
from pydantic import Field

from archive.models import ImportKind, ImportState
from web.rest.schemas import example_of, listing, with_example

EXAMPLE_IMPORT = "4b1d6c0f9a8e4c3db2a17f60e5d4c3b2"


class Import(Schema):
    """What somebody brought at one time, and what became of its files."""

    model_config = with_example(
        {
            "id": EXAMPLE_IMPORT,
            "kind": "images",
            "state": "done",
            "origin": "City Hospital",
            "source": "disc.zip",
            "comparison_only": False,
            "by": "Tess Taylor",
            "begun_at": "2026-03-02T08:15:00Z",
            "finished_at": "2026-03-02T08:15:20Z",
            "reason": "",
            "files": 242,
            "files_done": 242,
            "stored": 240,
            "here_already": 0,
            "refused": 1,
            "passed_over": 1,
        }
    )

    id: str
    kind: ImportKind
    state: ImportState
    origin: str = Field(description="the institution that it comes from, as it was typed")
    source: str = Field(description="the names of what was brought")
    comparison_only: bool = Field(description="its studies are priors, of which no report is to be made")
    by: str
    begun_at: datetime
    finished_at: datetime | None
    reason: str = Field(description="why it was stopped")
    files: int = Field(description="how many there are to look at; 0 until they are listed")
    files_done: int
    stored: int = Field(description="objects that are new here")
    here_already: int
    refused: int
    passed_over: int = Field(description="files of a disc that are no images, such as viewers")


class RefusedFile(Schema):
    """A file that was not taken, and why."""

    name: str
    reason: str


class StudyOfImport(Schema):
    """A study that something came of; `verdict` is null until it is indexed."""

    study_instance_uid: str
    verdict: str | None


class ImportWithFiles(Import):
    """An import with its first 500 refused files, and its first 500 studies."""

    model_config = with_example(
        {
            **example_of(Import),
            "refusals": [{"name": "notes.txt", "reason": "not a DICOM file"}],
            "studies": [
                {
                    "study_instance_uid": "2.25.302113406041958203923184752314786233061",
                    "verdict": "unscheduled",
                }
            ],
        }
    )

    refusals: list[RefusedFile]
    studies: list[StudyOfImport]


class Imports(Schema):
    """A part of a list of imports."""

    model_config = with_example(listing(Import))

    count: int
    results: list[Import]
