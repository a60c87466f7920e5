"""Measure our system beside a peer, in turn, and print the ratios: python -m tests.bench [store] [worklist] …

Nothing else may run on the machine meanwhile. Peers are Debian's: `apt-get install dcmtk orthanc`.
"""

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.bench import hl7_load, hl7_memory, memory, orders, pages, store, worklist
from tests.clients.system import System, fresh_database

BENCHMARKS = {
    "orders": orders.run,
    "hl7_load": hl7_load.run,
    "hl7_memory": hl7_memory.run,
    "worklist": worklist.run,
    "store": store.run,
    "memory": memory.run,
    "pages": pages.run,
}


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all of them: on SQLite, or in a new database where DATABASE_URL is."""
    for name in names or BENCHMARKS:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url = os.environ.get("DATABASE_URL", "")
            if url:
                url = stack.enter_context(fresh_database(url))
            system = System(folder / "home", url, os.environ.get("CELERY_BROKER_URL", "") if url else "")
            system.start()
            stack.callback(system.stop)
            for line in BENCHMARKS[name](system, folder):
                print(f"{name}: {line}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
