"""`manage.py shadow SOURCE FOLDER` compares what a shadow source would have made with another worklist."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from interfaces.hl7 import source_options
from interfaces.hl7.models import Source
from interfaces.shadow import shadow_run, worklist_answers, worklist_comparison
from ledger.errors import Refused


class Command(BaseCommand):
    help = "Compare what a shadow source's messages would make with another system's worklist answers."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", help="the name of the source in the site file")
        parser.add_argument("folder", type=Path, help="its answers, as findscu -X writes them")
        parser.add_argument("--since", help="only messages from then on: 2026-11-27T08:00+01:00")

    def handle(self, *args: Any, **options: Any) -> None:
        row = Source.objects.filter(name=options["source"]).first()
        if row is None:
            names = ", ".join(Source.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(f"the site has no source {options['source']}; it has {names}")
        since = parse_datetime(options["since"]) if options["since"] else None
        if options["since"] and since is None:
            raise CommandError("--since is a date and time: 2026-11-27T08:00+01:00")
        try:
            answers = list(worklist_answers.read(options["folder"]))
        except Refused as error:
            raise CommandError(str(error)) from error
        run = shadow_run.run(row.name, since=since)
        found = worklist_comparison.compare(run, answers, source_options.of(row))
        self._tell(run, found, len(answers))
        if not found.is_alike:
            raise CommandError("the worklists differ")

    def _tell(
        self, run: shadow_run.ShadowRun, found: worklist_comparison.WorklistComparison, answers: int
    ) -> None:
        of_messages = f"{run.messages} messages, {len(run.refused)} would be refused"
        self.stdout.write(f"{of_messages}; {answers} answers, {found.alike} alike.")
        for row, problem in run.refused:
            why = f"{problem.code} {problem.location} {problem.text}"
            self.stdout.write(f"refused: {row.message_type} {row.control_id}: {why}")
        for one in found.only_theirs:
            self.stdout.write(f"only theirs: {one.accession_number} {one.step}: {one.text}")
        for one in found.only_ours:
            self.stdout.write(f"only ours: {one.accession_number} {one.step}: {one.text}")
        for one in found.different:
            self.stdout.write(f"differs: {one.accession_number} {one.step}")
            for attribute in one.attributes:
                ours, theirs = attribute.ours or "nothing", attribute.theirs
                self.stdout.write(f"  {attribute.keyword}: ours {ours}, theirs {theirs}; {attribute.why}")
