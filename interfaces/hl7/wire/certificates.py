"""TLS of MLLP in both directions: contexts made of files, and when their certificates end.

Files are read anew for each connection that we open, and by the listener once they have changed.
"""

import base64
import re
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from interfaces.hl7.tls_files import OfListener, OfSender

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SHORT: Final = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "serialNumber": "SERIALNUMBER",
    "emailAddress": "E",
}
_SEQUENCE, _VERSION, _UTC_TIME = 0x30, 0xA0, 0x17


class Unusable(ValueError):
    """A file is not there, or is no certificate; in words."""


def of_listener(files: OfListener) -> ssl.SSLContext:
    """What our listener shows, and whom it lets in. Raises `Unusable`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, files.certificate, files.key)
    if files.client_authorities:
        context.verify_mode = ssl.CERT_REQUIRED
        _trust(context, files.client_authorities)
    return context


def of_sender(files: OfSender) -> ssl.SSLContext:
    """What we show to a destination, and by whom it must be known. Raises `Unusable`."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.authorities:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _trust(context, files.authorities)
    if files.certificate:
        _load(context, files.certificate, files.key)
    return context


def _load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(certificate, key or None, password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise Unusable(f"{certificate}{f' with {key}' if key else ''}: {_why(error)}") from error


def _trust(context: ssl.SSLContext, authorities: str) -> None:
    try:
        context.load_verify_locations(authorities)
    except (OSError, ssl.SSLError) as error:
        raise Unusable(f"{authorities}: {_why(error)}") from error


def _why(error: Exception) -> str:
    return getattr(error, "strerror", "") or getattr(error, "reason", "") or type(error).__name__


def signature(paths: Sequence[str]) -> tuple[Any, ...]:
    """What changes when one of some files does."""
    return tuple(_signature(path) for path in paths if path)


def _signature(path: str) -> tuple[Any, ...]:
    try:
        found = Path(path).stat()
    except OSError:
        return (path,)
    return path, found.st_mtime_ns, found.st_size, found.st_ino


def expires_at(path: str) -> datetime:
    """When the first certificate of a PEM file ends (RFC 5280 4.1.2.5). Raises `Unusable`."""
    try:
        found = _PEM.search(Path(path).read_bytes())
        if found is None:
            raise Unusable(f"{path}: there is no certificate in it")
        return _not_after(base64.b64decode(found[1]))
    except OSError as error:
        raise Unusable(f"{path}: {_why(error)}") from error
    except (ValueError, IndexError) as error:
        if isinstance(error, Unusable):
            raise
        raise Unusable(f"{path}: it can't be read") from error


def _not_after(der: bytes) -> datetime:
    """Validity is the fourth part of what is signed: after serial number, algorithm and issuer."""
    _, signed, _ = _part(der)
    _, fields, _ = _part(signed)
    tag, _, rest = _part(fields)
    if tag == _VERSION:
        fields = rest
    for _ in range(3):
        _, _, fields = _part(fields)
    _, validity, _ = _part(fields)
    _, _, end = _part(validity)
    tag, text, _ = _part(end)
    digits = text.decode("ascii").rstrip("Z")
    if tag == _UTC_TIME:
        digits = ("19" if digits >= "50" else "20") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _part(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag and content of the first part of DER, and what follows it."""
    tag, length, start = data[0], data[1], 2
    if length & 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(data[2:start])
    return tag, data[start : start + length], data[start + length :]


def subject(certificate: Mapping[str, Any] | None) -> str:
    """The subject of a peer's certificate, as `CN=his, O=General Hospital`."""
    parts = (pair for relative in (certificate or {}).get("subject", ()) for pair in relative)
    return ", ".join(f"{_SHORT.get(name, name)}={_escaped(value)}" for name, value in parts)[:500]


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace(",", r"\,")


def names(subject: str, wanted: str) -> bool:
    """Whether a subject has all parts of the one that is wanted: `CN=his` does for `CN=his, O=Hospital`."""
    return _parts(wanted) <= _parts(subject)


def _parts(subject: str) -> set[str]:
    return {part.strip() for part in re.split(r"(?<!\\),", subject) if part.strip()}
