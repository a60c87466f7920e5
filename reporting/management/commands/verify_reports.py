"""`manage.py verify_reports`: whether every signed version is as it was signed."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from reporting.models import Report, ReportVersion
from reporting.reports import report_versions


class Command(BaseCommand):
    help = "Check the chain of hashes of every report; ends with status 1 and names what was changed."
    requires_system_checks = ()  # they load every page, which takes longer than all the rest

    def handle(self, *args: Any, **options: Any) -> None:
        found = 0
        for report in Report.objects.filter(versions__isnull=False).distinct().order_by("pk").iterator():
            for problem in report_versions.verify(report):
                self.stdout.write(problem)
                found += 1
        signed = ReportVersion.objects.count()
        self.stdout.write(f"{signed} signed version{'s' if signed != 1 else ''}, {found or 'no'} changed")
        if found:
            sys.exit(1)
