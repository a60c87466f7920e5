"""A home for the tests, one for each process that runs some: no test touches a user's data.

It is a plugin, named in pyproject.toml, because the home has to be known before the settings are read.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def _folder(name: str, inside: str | None) -> str:
    """A folder that is there until this process ends."""
    made = tempfile.mkdtemp(prefix=f"ris-pacs-{name}-", dir=inside)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


# The first process makes it; those that it starts to run some of the tests inherit its name.
if "RIS_PACS_TEST_RUN" not in os.environ:
    os.environ["RIS_PACS_TEST_RUN"] = _folder("run", os.environ.get("RIS_PACS_TEST_HOME"))
RUN = Path(os.environ["RIS_PACS_TEST_RUN"])
"""The folder of this run of the suite."""

os.environ["RIS_PACS_HOME"] = _folder("home", str(RUN))
