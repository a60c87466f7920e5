"""Where the system under test is, and whom we may sign in as: from the environment, and from nowhere else."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Address = tuple[str, int]

PEOPLE = ("tess", "rada", "ruben", "resi", "trudy", "mara", "iris")
"""The user names of the demo's technologist, radiologists, resident, typist, manager and integrator."""


@dataclass(frozen=True)
class Surroundings:
    """The doors of the system, and what opens them; without a destination nobody hears what goes out."""

    home: Path
    http: Address
    dicom: Address
    hl7: Address
    destination: Address | None
    ae_title: str
    tokens: Mapping[str, str]
    password: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Surroundings":
        """Read the environment; raises ValueError for an address or a list of tokens that can't be read."""
        heard = environment.get("RIS_PACS_HL7_DESTINATION", "127.0.0.1:2576")
        return cls(
            home=Path(environment.get("RIS_PACS_HOME", "var")),
            http=address(environment.get("RIS_PACS_HTTP", "127.0.0.1:8000")),
            dicom=address(environment.get("RIS_PACS_DICOM", "127.0.0.1:11112")),
            hl7=address(environment.get("RIS_PACS_HL7", "127.0.0.1:2575")),
            destination=address(heard) if heard else None,
            ae_title=environment.get("RIS_PACS_AE_TITLE", "RISPACS"),
            tokens=dict(json.loads(environment.get("RIS_PACS_DEMO_TOKENS", "{}"))),
            password=environment.get("RIS_PACS_DEMO_PASSWORD", ""),
        )

    @property
    def folder(self) -> Path:
        """Where the truth and the summary lie."""
        return self.home / "demo"


def here() -> Surroundings:
    """The surroundings of this process."""
    return Surroundings.of(os.environ)


def address(text: str) -> Address:
    """Host and port; a door that listens on all interfaces is reached over loopback."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host), int(port)  # noqa: S104
