"""`manage.py dicom`: the DICOM port; `dicom import`: discs, folders, files; `dicom scan`: film, paper."""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.actor import Actor
from accounts.models import Facility
from archive.imports import import_acts, import_files, scan_claims
from archive.imports.film_scan import Claims
from archive.imports.import_files import Entry
from archive.imports.import_tally import NoRoom, Taking
from archive.models import Import
from archive.storage.spool import Spool, spool_folder
from interfaces.dicom import server
from ledger.errors import Refused

WRITTEN_EVERY: Final = 5.0
"""Seconds between two times that it is written down how far an import is."""


class Command(BaseCommand):
    help = "Serve DICOM in the foreground, or import discs, folders, files and scans."
    requires_system_checks = ()  # they load every page, which takes longer than all the rest

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action")
        files = actions.add_parser(
            "import", help="take files, discs as ZIP files, or all files below folders, into the archive"
        )
        files.add_argument("paths", nargs="+", type=Path)
        files.add_argument("--origin", default="", help="the institution that they come from")
        files.add_argument(
            "--comparison-only", action="store_true", help="they are priors: no report is to be made of them"
        )
        scans = actions.add_parser(
            "scan",
            help="take scanned film or paper (JPEG, PNG, TIFF, PDF) as DICOM objects; it is judged as usual",
        )
        scans.add_argument("paths", nargs="+", type=Path)
        scans.add_argument("--patient-id", default="", help="the one that the patient has here")
        scans.add_argument("--issuer", default="", help="who gave the patient ID")
        scans.add_argument("--name", required=True, help="as in DICOM: Family^Given")
        scans.add_argument("--birth-date", help="YYYY-MM-DD")
        scans.add_argument("--sex", default="", choices=["F", "M", "O"])
        scans.add_argument("--study-date", required=True, help="day of the exam, YYYY-MM-DD")
        scans.add_argument("--accession-number", default="")
        scans.add_argument("--description", required=True, help="what was examined")
        scans.add_argument("--scanned-on", help="YYYY-MM-DD, where the files do not say it")
        scans.add_argument("--paper", action="store_true", help="pictures are of paper, not of film")
        scans.add_argument("--origin", default="", help="the institution that they come from")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["action"]:
            server.serve()
            return
        claims = _claims(options) if options["action"] == "scan" else None
        row = _begin(options["paths"], options["origin"], claims, options.get("comparison_only", False))
        try:
            self._take(row, options["paths"], claims)
        finally:
            import_files.remove(row)
        self.stdout.write(_counts(row))
        if row.refused:
            sys.exit(1)

    def _take(self, row: Import, paths: list[Path], claims: Claims | None) -> None:
        """Take all in, and write down every few seconds how far that is."""
        entries = chain.from_iterable(_entries(path, row, claims) for path in paths)
        with closing(Spool(spool_folder())) as spool:
            while True:
                taking, until = Taking(spool, claims), time.monotonic() + WRITTEN_EVERY
                is_over = self._take_some(taking, entries, until)
                for name, reason in taking.tally.refusals:
                    self.stderr.write(f"{name}: {reason}")
                with transaction.atomic():
                    kept = Import.objects.select_for_update().get(pk=row.pk)
                    import_acts.add(kept, taking.tally)
                    kept.files = kept.files_done
                    kept.save()
                    if is_over:
                        import_acts.finish(kept)
                row.refresh_from_db()
                if is_over:
                    return

    @staticmethod
    def _take_some(taking: Taking, entries: Iterator[Entry], until: float) -> bool:
        """Take files in for some seconds; whether there are no more."""
        for entry in entries:
            try:
                taking.take(entry)
            except NoRoom as reason:
                taking.tally.refuse(entry.name, f"{reason}. Give the command again once there is.")
                taking.tally.files += 1
            if time.monotonic() > until:
                return False
        return True


def _begin(paths: list[Path], origin: str, claims: Claims | None, comparison_only: bool) -> Import:
    facility = Facility.objects.order_by("pk").first()
    if facility is None:
        raise CommandError("There is no facility yet; apply the site file.")
    source = ", ".join(str(path) for path in paths)
    with transaction.atomic():
        row = import_acts.begin(
            by=Actor.at_command_line(),
            facility=facility,
            origin=origin,
            source=source,
            claims=claims,
            comparison_only=comparison_only,
        )
        import_acts.run_here(row)
    return row


def _entries(path: Path, row: Import, claims: Claims | None) -> Iterator[Entry]:
    if claims is not None:
        return iter([Entry(str(path), path)])
    return import_files.of_path(path, import_files.folder_of(row))


def _counts(row: Import) -> str:
    found = {
        "stored": row.taken,
        "here already": row.repeated,
        "refused": row.refused,
        "no image": row.passed_over,
    }
    return ", ".join(f"{count} {what}" for what, count in sorted(found.items()) if count) or "no files"


def _claims(options: dict[str, Any]) -> Claims:
    names = ("patient_id", "issuer", "study_date", "accession_number", "description")
    said = {name: options[name] for name in names}
    try:
        return scan_claims.claims(
            {
                **said,
                "patient_name": options["name"],
                "patient_birth_date": options["birth_date"] or "",
                "patient_sex": options["sex"],
                "scanned_on": options["scanned_on"] or "",
                "medium": scan_claims.PAPER if options["paper"] else scan_claims.FILM,
            },
        )
    except Refused as error:
        raise CommandError(f"{(error.field or 'scan').replace('_', ' ')}: {error.text}") from None
