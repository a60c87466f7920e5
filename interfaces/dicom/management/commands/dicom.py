"""`manage.py dicom`: the DICOM port; `manage.py dicom import FOLDER…`: file import."""

import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from archive.storage.intake import Accepted, Refused
from interfaces.dicom import file_import, server


class Command(BaseCommand):
    help = "Serve DICOM in the foreground, or import files."
    requires_system_checks = ()  # they load every page, which takes longer than all the rest

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action")
        files = actions.add_parser("import", help="take files, or all files below folders, into the archive")
        files.add_argument("paths", nargs="+", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "import":
            self._import(options["paths"])
        else:
            server.serve()

    def _import(self, paths: list[Path]) -> None:
        counts: Counter[str] = Counter()
        for imported in file_import.import_files(file_import.files_below(paths), server.spool_folder()):
            outcome = imported.outcome
            if isinstance(outcome, Refused):
                counts["refused"] += 1
                self.stderr.write(f"{imported.path}: {outcome.status:04X}H {outcome.comment}")
            else:
                counts["stored" if isinstance(outcome, Accepted) else "here already"] += 1
        said = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
        self.stdout.write(said or "no files")
        if counts["refused"]:
            sys.exit(1)
