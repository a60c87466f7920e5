"""Verdicts a second of one process, fetched and judged, with many open orders.

    python -m tests.bench.verdicts [--orders 100000] [--studies 500]

On SQLite, or in a new database where DATABASE_URL is. Every tenth study names nobody's order.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.clients.system import ROOT, System, fresh_database

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PORTION = 5000
DAYS = 30


def main() -> None:
    """Fill a new database, judge, and print the rate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--studies", type=int, default=500)
    options = parser.parse_args()
    with ExitStack() as stack:
        url = os.environ.get("DATABASE_URL", "")
        url = stack.enter_context(fresh_database(url)) if url else ""
        home = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "home"
        system = System(home, url, os.environ.get("CELERY_BROKER_URL", "") if url else "")
        os.environ.update(system.environment)
        for command in (("migrate", "-v0"), ("site", "apply")):
            subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, check=True, capture_output=True)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ris_pacs.settings")
        import django

        django.setup()
        measure(options.orders, options.studies)
        django.db.connections.close_all()


def measure(orders: int, studies: int) -> None:
    """Judge studies and print how many a second, of CPU and of the clock."""
    from archive.archive_section import ArchiveSection
    from archive.reconcile import reconcile_job

    fill(orders)
    rows = list(received(orders, studies))
    rules = ArchiveSection.current().reconcile
    judged: dict[str, int] = {}
    for part in (rows[: studies // 10], rows[studies // 10 :]):  # the first tenth warms up
        judged.clear()
        cpu, clock = time.process_time(), time.perf_counter()
        for study in part:
            outcome = reconcile_job.gather(study, NOW, rules).judge().outcome.value
            judged[outcome] = judged.get(outcome, 0) + 1
        cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    count = sum(judged.values())
    rate = f"{count / clock:.0f} a second, {1000 * cpu / count:.1f} ms of CPU each"
    print(f"verdicts: {rate}; {orders} open orders")
    print("verdicts: " + ", ".join(f"{name} {number}" for name, number in sorted(judged.items())))


def name_of(n: int) -> str:
    """A name that a few dozen patients have."""
    dice = random.Random(n // 40)
    families = ["MUELLER", "SCHMIDT", "WEISS", "KOEHLER", "BARS", "LEHMANN", "PETERSEN", "FISCHER"]
    given = ["ANNA", "OTTO", "EVA", "RITA", "JOSEF", "MARIE", "GRETA", "NORA", "KARL", "EMIL"]
    return f"{dice.choice(families)}{n // 40 % 500}^{dice.choice(given)}"


def born(n: int) -> str:
    """A birth date."""
    return (datetime(1930, 1, 1, tzinfo=UTC) + timedelta(days=n * 7919 % 30000)).strftime("%Y%m%d")


def fill(count: int) -> None:
    """Orders, each of a patient of its own, due within some days."""
    from django.db import connection

    from accounts.models import Facility
    from worklist.models import (
        AssigningAuthority,
        Order,
        Patient,
        RequestedProcedure,
        ScheduledProcedureStep,
    )
    from worklist.patients import person_names

    facility, authority = Facility.objects.first(), AssigningAuthority.objects.first()
    for start in range(0, count, PORTION):
        numbers = range(start, min(count, start + PORTION))
        patients = Patient.objects.bulk_create(
            Patient(
                facility=facility,
                authority=authority,
                value=f"P{n:07}",
                name=name_of(n),
                name_key=person_names.keys(name_of(n))[0],
                bare_key=person_names.bare(person_names.keys(name_of(n))[0]),
                birth_date=born(n),
                sex="F",
            )
            for n in numbers
        )
        orders = Order.objects.bulk_create(
            Order(
                facility=facility,
                patient=patient,
                accession_number=f"A{n:08}",
                first_received_at=NOW - timedelta(days=DAYS),
                content_received_at=NOW - timedelta(days=DAYS),
            )
            for n, patient in zip(numbers, patients, strict=True)
        )
        procedures = RequestedProcedure.objects.bulk_create(
            RequestedProcedure(
                order=order,
                requested_procedure_id=f"RP{n:08}",
                place=1,
                study_instance_uid=f"1.2.{n}",
                code="71260",
                description="CT chest",
                body_part="CHEST",
            )
            for n, order in zip(numbers, orders, strict=True)
        )
        ScheduledProcedureStep.objects.bulk_create(
            ScheduledProcedureStep(
                procedure=procedure,
                scheduled_procedure_step_id=f"SP{n:08}",
                modality="CT",
                due=(due := NOW + timedelta(minutes=n % (DAYS * 1440))),
                local_date=due.strftime("%Y%m%d"),
                local_time=due.strftime("%H%M%S"),
                on_worklist=True,
            )
            for n, procedure in zip(numbers, procedures, strict=True)
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def received(orders: int, count: int) -> list[Any]:
    """Studies as they come: most of an order, some without any number, some of nobody known."""
    from accounts.models import Facility
    from archive.models import Series, Study
    from worklist.patients import person_names

    facility, dice, rows = Facility.objects.first(), random.Random(1), []
    for n in range(count):
        of = dice.randrange(orders)
        due = NOW + timedelta(minutes=of % (DAYS * 1440))
        stranger, unlabelled = n % 10 == 9, n % 10 == 8
        study = Study.objects.create(
            facility=facility,
            study_instance_uid=f"2.25.{n}",
            patient_name="NOBODY^NORA" if stranger else name_of(of),
            patient_name_key=person_names.keys(name_of(of))[0],
            header_patient_id=f"X{n}" if stranger else f"P{of:07}",
            birth_date=born(of),
            sex="F",
            accession_number="" if stranger or unlabelled else f"A{of:08}",
            study_date=due.strftime("%Y%m%d"),
            study_time=due.strftime("%H%M%S"),
            modalities=["CT"],
            first_received_at=due,
            last_received_at=due,
        )
        Series.objects.create(
            study=study, series_instance_uid=f"2.25.{n}.1", modality="CT", body_part="CHEST"
        )
        rows.append(study)
    return rows


if __name__ == "__main__":
    main()
