"""`manage.py site new FILE`, `manage.py site check FILE` and `manage.py site apply FILE`."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.actor import Actor
from ris_pacs import site


class Command(BaseCommand):
    help = "Write a strict site file to begin with, check one, or bring the system in line with it."
    requires_system_checks = ()  # they load every page, which takes longer than all the rest

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=["new", "check", "apply"])
        parser.add_argument("file", type=Path, nargs="?", help="else the one in use; new: in the home")
        parser.add_argument("--dry-run", action="store_true", help="show what would change, change nothing")
        parser.add_argument("--overwrite", action="store_true", help="change what the pages edited, too")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] == "new":
            self._new(options["file"] or settings.HOME / "site.yaml")
            return
        file = options["file"] or settings.SITE_FILE
        try:
            if options["act"] == "check":
                site.read(file)
                self.stdout.write(f"{file} is right.")
                return
            changes = site.differences(file, overwrite=options["overwrite"])
            for change in changes:
                self.stdout.write(str(change))
            if changes and not options["dry_run"]:
                site.apply(file, by=Actor.at_command_line(), overwrite=options["overwrite"])
        except site.SiteFileError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{len(changes)} differences" + (" found." if options["dry_run"] else " applied."))

    def _new(self, file: Path) -> None:
        if os.path.lexists(file):
            raise CommandError(f"{file} is there already, and stays as it is.")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(settings.DEFAULT_SITE.read_text())
        except OSError as error:
            raise CommandError(f"{file} can't be written: {error.strerror}") from error
        is_found = file == settings.HOME / "site.yaml" and "RIS_PACS_SITE" not in os.environ
        use = "`make run` uses it from its next start on" if is_found else f"set RIS_PACS_SITE={file}"
        self.stdout.write(f"{file} is written; {use}. It lets in only whom it names: name them there.")
