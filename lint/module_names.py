"""One word, one place: which module names may stand more than once.

A name stands once in the domain packages. Elsewhere it may stand again where it mirrors a noun of what lies
below: `pages/orders`, `rest/orders` and `hl7/inbound/orders` all translate orders.
"""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Final

DOMAIN: Final = ("ledger", "accounts", "worklist", "archive", "reporting")
EDGES: Final = ("interfaces", "web", "ris_pacs")
STRUCTURAL: Final = frozenset({"__init__", "apps", "errors", "models", "signals", "site", "urls"})
"""Names of modules that each package has."""
NOUNS: Final = frozenset(
    {
        "dictations",
        "exceptions",
        "health",
        "messages",
        "orders",
        "patients",
        "reports",
        "studies",
        "turnaround",
    }
)
"""Nouns of the domain that no module of it has as its name, since a package or a table has it."""


def complaints(paths: Iterable[str]) -> Iterator[str]:
    """What is wrong with the module names of these files, a line each."""
    domain, edges = defaultdict(list), defaultdict(list)
    nouns = set(NOUNS)
    for path in map(PurePath, paths):
        if path.suffix != ".py" or path.stem in STRUCTURAL or {"migrations", "commands"} & set(path.parts):
            continue
        if path.parts[0] in DOMAIN and "models" not in path.parts:
            domain[path.stem].append(str(path))
            nouns |= {path.stem, *path.parts[1:-1]}
        elif path.parts[0] in EDGES:
            edges[path.stem].append(str(path))
    for name, places in sorted(domain.items()):
        if len(places) > 1:
            yield f"{name!r} names more than one module of the domain: {', '.join(places)}"
    for name, places in sorted(edges.items()):
        in_interfaces = [place for place in places if place.startswith("interfaces/")]
        if len(places) > 1 and name not in nouns and len(in_interfaces) != 1:
            yield f"{name!r} stands more than once and mirrors no noun of the domain: {', '.join(places)}"


def main() -> int:
    """Print the complaints about what git knows; 1 if there are any."""
    listed = subprocess.run(["git", "ls-files", "*.py"], capture_output=True, text=True, check=True)
    found = list(complaints(listed.stdout.splitlines()))
    print("\n".join(found) or "Each module name stands where it may")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
