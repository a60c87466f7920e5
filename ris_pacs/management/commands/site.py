"""`manage.py site check FILE` and `manage.py site apply FILE`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ris_pacs import site


class Command(BaseCommand):
    help = "Check a site file, or bring the system in line with it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=["check", "apply"])
        parser.add_argument("file", type=Path, nargs="?", default=settings.SITE_FILE)
        parser.add_argument("--dry-run", action="store_true", help="show what would change, change nothing")
        parser.add_argument("--overwrite", action="store_true", help="change what the pages edited, too")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["act"] == "check":
                site.read(options["file"])
                self.stdout.write(f"{options['file']} is right.")
                return
            changes = site.apply(options["file"], dry_run=True, overwrite=options["overwrite"])
            for change in changes:
                self.stdout.write(str(change))
            if changes and not options["dry_run"]:
                site.apply(options["file"], overwrite=options["overwrite"])
        except site.SiteFileError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{len(changes)} differences" + (" found." if options["dry_run"] else " applied."))
