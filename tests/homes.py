"""A home for the tests, one for each process that runs some: no test touches a user's data.

It is a plugin, named in pyproject.toml, because the home has to be known before the settings are read.
"""

import atexit
import os
import shutil
import tempfile

_base = os.environ.get("RIS_PACS_TEST_HOME")
_home = tempfile.mkdtemp(prefix="ris-pacs-test-", dir=_base)
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["RIS_PACS_HOME"] = _home
