"""A department on a machine of some time zone: set up by the packaged site, sent orders, asked what it shows.

Run as a program, since a process has one time zone; it prints what it found as JSON.
"""

import json
import os
import re
import sys
from typing import Any

import django


def main(starts: list[str], days: list[str]) -> dict[str, Any]:
    os.environ["DJANGO_SETTINGS_MODULE"] = "ris_pacs.settings"
    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.test import Client

    from accounts.models import Facility, Role, User
    from interfaces.hl7.inbound import inbox
    from ris_pacs import site
    from ris_pacs.management.commands import run
    from worklist.models import ScheduledProcedureStep

    call_command("migrate", verbosity=0)
    site.apply_if_changed()
    facility = Facility.objects.get()
    answers = [inbox.receive(_order(n, start), peer="here") for n, start in enumerate(starts)]
    user = User.objects.create_user("tess", "x", roles=[Role.TECHNOLOGIST.value])
    user.facilities.add(facility)
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    pages = {day: client.get("/worklist", {"day": day}).content.decode() for day in days}
    steps = ScheduledProcedureStep.objects.order_by("pk")
    found = {
        "zone": facility.time_zone,
        "of children": run.processes()[0].environment["TZ"],
        "accepted": [b"MSA|AA" in (answer or b"") for answer in answers],
        "steps": [[step.local_date, step.local_time] for step in steps],
        "shown": {day: _rows(page) for day, page in pages.items()},
        "left as it was": site.apply_if_changed() == [],
    }
    settings.SYSTEM_TIME_ZONE = "Asia/Tokyo"  # as after a start on a machine that was set right meanwhile
    site.apply_if_changed()
    return {**found, "moved": [[step.local_date, step.local_time] for step in steps.all()]}


def _rows(page: str) -> dict[str, str]:
    """The text of each row of a worklist, by the number of its order."""
    texts = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in page.split("<tr")[1:]]
    return {found[1]: text for text in texts if (found := re.search(r"\bA(\d\d)\b", text))}


def _order(number: int, start: str) -> bytes:
    timing = f"^^^{start}^^R"
    segments = (
        f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|20260301120000||ORM^O01^ORM_O01|{number}|P|2.5.1",
        f"PID|1||{number}^^^GENHOSP^MR||BARS^ANNA||19700102|F",
        f"ORC|NW|PL{number}^HIS|FL{number}^RIS||SC||{timing}",
        f"OBR|1|PL{number}^HIS|FL{number}^RIS|71260^CT^C4||||||||||||||A{number:02}||||||CT|||{timing}",
    )
    return "".join(segment + "\r" for segment in segments).encode()


if __name__ == "__main__":
    print(json.dumps(main(*json.loads(sys.argv[1]))))
