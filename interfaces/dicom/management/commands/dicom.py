"""`manage.py dicom`: the DICOM port; `dicom import`: discs, folders, files; `dicom scan`: film, paper."""

import re
import sys
import tempfile
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils.dateparse import parse_date

from accounts.actor import Actor
from archive.imports import disc, film_scan, zipped_disc
from archive.imports.film_scan import Claims
from archive.storage.intake import Accepted, NotKept, Outcome
from interfaces.dicom import file_import, server
from interfaces.dicom.services.store import STATUSES
from interfaces.dicom.spool import Spool
from ledger import audit
from ledger.errors import Invalid


class Command(BaseCommand):
    help = "Serve DICOM in the foreground, or import discs, folders, files and scans."
    requires_system_checks = ()  # they load every page, which takes longer than all the rest

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action")
        files = actions.add_parser(
            "import", help="take files, discs as ZIP files, or all files below folders, into the archive"
        )
        files.add_argument("paths", nargs="+", type=Path)
        scans = actions.add_parser(
            "scan",
            help="take scanned film or paper (JPEG, PNG, TIFF, PDF) as DICOM objects; it is judged as usual",
        )
        scans.add_argument("paths", nargs="+", type=Path)
        scans.add_argument("--patient-id", required=True)
        scans.add_argument("--issuer", default="", help="who gave the patient ID")
        scans.add_argument("--name", required=True, help="as in DICOM: Family^Given")
        scans.add_argument("--birth-date", type=_date, help="YYYY-MM-DD")
        scans.add_argument("--sex", default="", choices=["F", "M", "O"])
        scans.add_argument("--study-date", required=True, type=_date, help="day of the exam, YYYY-MM-DD")
        scans.add_argument("--accession-number", default="", type=_accession_number)
        scans.add_argument("--description", default="", help="what was examined")
        scans.add_argument("--paper", action="store_true", help="pictures are of paper, not of film")

    def handle(self, *args: Any, **options: Any) -> None:
        self.counts: Counter[str] = Counter()
        if not options["action"]:
            server.serve()
            return
        with closing(Spool(server.spool_folder())) as spool:
            for path in options["paths"]:
                if options["action"] == "import":
                    self._import(path, spool)
                else:
                    self._scan(path, _claims(options), spool)
        said = ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))
        self.stdout.write(said or "no files")
        if self.counts["refused"]:
            sys.exit(1)

    def _import(self, path: Path, spool: Spool) -> None:
        if path.is_dir():
            self._import_disc(path, spool)
        elif path.is_file() and zipped_disc.is_zip(path):
            with tempfile.TemporaryDirectory(dir=server.spool_folder(), prefix="disc.") as folder:
                self._import_zip(path, Path(folder), spool)
        else:
            self._count(path, file_import.import_file(path, spool))

    def _import_zip(self, path: Path, folder: Path, spool: Spool) -> None:
        try:
            zipped_disc.unpack(path, folder)
        except Invalid as error:
            self._refuse(path, str(error))
        except OSError as error:
            self._refuse(path, f"can't be unpacked: {error.strerror}")
        else:
            self._import_disc(folder, spool)

    def _import_disc(self, folder: Path, spool: Spool) -> None:
        """What a DICOMDIR lists has to be there and an object; what else lies on its disc may be anything."""
        found = disc.read(folder)
        for fault in found.faults:
            self.stderr.write(fault)
        for name in found.missing:
            self._refuse(name, "listed in DICOMDIR, but not on the disc. Copy the disc again.")
        optional = frozenset(found.others if found.has_directory else ())
        for path in (*found.listed, *found.others):
            if path in optional and not file_import.is_object(path):
                self.counts["no image"] += 1
            else:
                self._count(path, file_import.import_file(path, spool))

    def _scan(self, path: Path, claims: Claims, spool: Spool) -> None:
        try:
            scans = film_scan.objects_of(path, claims)
        except Invalid as error:
            self._refuse(path, str(error))
            return
        except OSError as error:
            self._refuse(path, f"can't be read: {error.strerror}")
            return
        for scan in scans:
            self._count(path, file_import.import_scan(scan, spool))
        with transaction.atomic():
            study = ("study", claims.study_instance_uid)
            audit.note(Actor.at_command_line(), audit.IMPORT, audit.CREATE, study)

    def _count(self, path: Path, outcome: Outcome) -> None:
        if isinstance(outcome, NotKept):
            self._refuse(path, f"{STATUSES[outcome.reason]:04X}H {outcome.comment}")
        else:
            self.counts["stored" if isinstance(outcome, Accepted) else "here already"] += 1

    def _refuse(self, path: Path | str, why: str) -> None:
        self.counts["refused"] += 1
        self.stderr.write(f"{path}: {why}")


def _claims(options: dict[str, Any]) -> Claims:
    return Claims(
        patient_id=options["patient_id"],
        patient_name=options["name"],
        study_date=options["study_date"],
        issuer=options["issuer"],
        birth_date=options["birth_date"] or "",
        sex=options["sex"],
        accession_number=options["accession_number"],
        description=options["description"],
        is_film=not options["paper"],
    )


def _date(text: str) -> str:
    try:
        day = parse_date(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        day = None
    if day is None:
        raise ArgumentTypeError("no date; write it as 2026-03-02")
    return f"{day:%Y%m%d}"


def _accession_number(text: str) -> str:
    if len(text) > 16:
        raise ArgumentTypeError("longer than 16 characters")
    return text
