"""Which files TLS uses, as the site file names them."""

from pydantic import BaseModel, ConfigDict, Field, field_validator


class OfListener(BaseModel):
    """MLLP over TLS in: where it listens, its certificate with its key, and the authorities of its clients.

    With `client_authorities` whoever shows no certificate of theirs is not let in. A `key` that is empty is
    in the file of the certificate.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str
    certificate: str = Field(min_length=1)
    key: str = ""
    client_authorities: str = ""

    @field_validator("address")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"{value!r} is not host:port")
        return value

    @property
    def files(self) -> tuple[str, str, str]:
        return self.certificate, self.key, self.client_authorities


class OfSender(BaseModel):
    """MLLP over TLS out: the `authorities` that the receiver's certificate must be of (those of this machine
    without any), our certificate with its key where it wants one, and its name where that is not the host's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    authorities: str = ""
    certificate: str = ""
    key: str = ""
    server_name: str = ""
