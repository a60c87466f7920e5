"""`manage.py fsck`: compare the archive's rows with its files."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from archive.storage import fsck


class Command(BaseCommand):
    help = "Compare rows with files: put away what crashes left behind, report what is lost."
    requires_system_checks = ()  # they load every page, which takes longer than all the rest

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--checksums", action="store_true", help="also read every file and compare its hash"
        )
        parser.add_argument(
            "--leave-alone",
            type=float,
            default=fsck.LEAVE_ALONE,
            metavar="SECONDS",
            help="files without a row that are younger than this may be on their way (default %(default)g)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        report = fsck.check(checksums=options["checksums"], leave_alone=options["leave_alone"])
        self.stdout.write(
            f"{report.files} files, {report.verified} verified, {len(report.missing)} missing,"
            f" {len(report.damaged)} damaged, {len(report.quarantined)} quarantined,"
            f" {len(report.removed)} removed"
        )
        for what in ("missing", "damaged", "quarantined", "removed"):
            for name in getattr(report, what):
                self.stdout.write(f"{what} {name}")
        if not report.is_good:
            sys.exit(1)
