"""Measure our system beside a peer, in turn, and print the ratios: python -m tests.bench [store] [worklist] …

Nothing else may run on the machine meanwhile. Peers are Debian's: `apt-get install dcmtk orthanc`.
"""

import sys
import tempfile
from pathlib import Path

from tests.bench import memory, orders, store, worklist
from tests.clients.system import System

BENCHMARKS = {"orders": orders.run, "worklist": worklist.run, "store": store.run, "memory": memory.run}


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all of them, on SQLite or on what DATABASE_URL names."""
    import os

    for name in names or BENCHMARKS:
        with tempfile.TemporaryDirectory() as folder:
            url, broker = os.environ.get("DATABASE_URL", ""), os.environ.get("CELERY_BROKER_URL", "")
            system = System(Path(folder) / "home", url, broker)
            system.start()
            try:
                for line in BENCHMARKS[name](system, Path(folder)):
                    print(f"{name}: {line}", flush=True)
            finally:
                system.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
