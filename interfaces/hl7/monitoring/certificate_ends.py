"""When the certificates end that our listener and we ourselves show."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from interfaces.hl7 import destination_options
from interfaces.hl7.hl7_section import HL7Section
from interfaces.hl7.models import Destination
from interfaces.hl7.wire import certificates
from ledger import written_dates

LISTENER = "MLLP over TLS"


class CertificateEnd(NamedTuple):
    """Whom a certificate is shown to, when it ends, and why that is not known."""

    direction: str
    partner: str
    at: datetime | None
    problem: str = ""

    def warning(self, now: datetime, days: int) -> str:
        """What somebody should be told; empty where there is time."""
        if self.at is None:
            return f"The certificate for {self.partner} can't be used: {self.problem}"
        if self.at - now > timedelta(days=days):
            return ""
        verb = "ended" if self.at <= now else "ends"
        return f"The certificate for {self.partner} {verb} on {written_dates.zoned(self.at, UTC)}"


def ends() -> Iterator[CertificateEnd]:
    """Each certificate that is in use."""
    if (files := HL7Section.current().tls) is not None:
        yield _end("in", LISTENER, files.certificate)
    for destination in Destination.objects.filter(is_active=True).order_by("name"):
        tls = destination_options.of(destination).tls
        if tls is not None and tls.certificate:
            yield _end("out", destination.name, tls.certificate)


def _end(direction: str, partner: str, path: str) -> CertificateEnd:
    try:
        return CertificateEnd(direction, partner, certificates.expires_at(path))
    except certificates.Unusable as error:
        return CertificateEnd(direction, partner, None, str(error))
