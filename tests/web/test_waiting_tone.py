"""The colour of a bar: the same on every list."""

from datetime import timedelta

import pytest
from django.utils import timezone

from reporting.models import ReadingItem
from web.kernel.waiting_tone import waiting_tone
from web.pages.exceptions.exception_list import Clock
from web.pages.reading import reading_rows

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("minutes", "tone"), [(0, ""), (44, ""), (45, "amber"), (60, "amber"), (61, "red")])
def test_amber_in_the_last_quarter_and_red_past_the_target(minutes: int, tone: str) -> None:
    now, waited = timezone.now(), timedelta(minutes=minutes)
    item = ReadingItem(ready_at=now - waited, due_at=now - waited + HOUR)
    assert waiting_tone(waited, HOUR) == tone
    assert Clock(waited, HOUR, True).tone == tone
    assert reading_rows.wait(item, now).tone == tone
