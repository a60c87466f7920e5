"""Tell people of alarms, by mail and webhook: a job for each receiver, so that one that fails harms no other.

A notice names interfaces and figures, never a patient. It is sent at least once, always with the alarm's id.
"""

import hashlib
import json
import smtplib
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from interfaces.hl7.hl7_section import HL7Section
from interfaces.hl7.models import Alarm
from ledger import clock, jobs, written_dates
from ledger.errors import Invalid

JOB: Final = "hl7.alarm_notice"
PATIENCE: Final = timedelta(hours=1)
"""For so long a receiver that can't be reached is tried; then the work has failed, and a person sees it."""
PAUSE: Final = timedelta(seconds=30)
WAIT: Final = 10.0


def register() -> None:
    """Say how notices are sent; called from `AppConfig.ready()`."""
    handler = jobs.Handler(prepare=_send, apply=lambda claim, prepared: None, words="Send alarm notices")
    jobs.register(JOB, handler)


def tell(alarm: Alarm) -> None:
    """Ask for a notice to everybody who is to be told, in the transaction that raises or ends the alarm."""
    policy = HL7Section.current().alarms
    state = "ended" if alarm.cleared_at else "raised"
    for way, addresses in (("mail", policy.mail), ("webhook", policy.webhooks)):
        for address in addresses:
            jobs.enqueue(JOB, f"{alarm.public_id} {state} {way} {_digest(address)}")


def _send(claim: jobs.Claim) -> None:
    public_id, state, way, digest = claim.key.split()
    alarm = Alarm.objects.filter(public_id=public_id).first()
    policy = HL7Section.current().alarms
    addresses = policy.mail if way == "mail" else policy.webhooks
    address = next((one for one in addresses if _digest(one) == digest), None)
    if alarm is None or address is None:  # nobody is told there any more
        return
    at = (alarm.cleared_at if state == "ended" else None) or alarm.raised_at
    try:
        (_mail if way == "mail" else _post)(address, alarm, state, at)
    except (OSError, smtplib.SMTPException) as error:
        if clock.now() - at > PATIENCE:
            raise
        raise jobs.Retry(f"the {way} can't be sent: {type(error).__name__}", PAUSE) from error


def _mail(address: str, alarm: Alarm, state: str, at: datetime) -> None:
    if not settings.EMAIL_HOST:
        raise Invalid("RIS_PACS_SMTP names no mail server")
    subject = f"{'Ended: ' if state == 'ended' else ''}{alarm.text}"
    when = f"{state.capitalize()} at {written_dates.second(at)} {at:%Z}"
    body = f"{alarm.text}.\n\n{when}. Alarm {alarm.public_id}.\n"
    message = EmailMessage(
        f"[RIS/PACS] {' '.join(subject.split())}"[:200],
        body,
        settings.DEFAULT_FROM_EMAIL,
        [address],
        connection=get_connection(timeout=WAIT),
    )
    message.send()


def _post(address: str, alarm: Alarm, state: str, at: datetime) -> None:
    request = urllib.request.Request(  # noqa: S310 - the site file takes http and https alone
        address,
        json.dumps(as_json(alarm, state)).encode(),
        {"Content-Type": "application/json", "User-Agent": "RIS/PACS"},
    )
    try:
        with urllib.request.urlopen(request, timeout=WAIT):  # noqa: S310
            pass
    except urllib.error.HTTPError as error:  # an OSError, whose text may quote the address
        raise OSError(f"HTTP {error.code}") from None


def as_json(alarm: Alarm, state: str) -> dict[str, Any]:
    """An alarm as a webhook gets it."""
    return {
        "id": alarm.public_id,
        "state": state,
        "kind": alarm.kind,
        "direction": alarm.direction,
        "partner": alarm.partner,
        "text": alarm.text,
        "raised_at": alarm.raised_at.isoformat(),
        "ended_at": alarm.cleared_at.isoformat() if alarm.cleared_at else None,
    }


def _digest(address: str) -> str:
    """What names an address in a job's key: a webhook's address may be a secret."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]
