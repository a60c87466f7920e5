"""No line of what pages are made of is longer than its kind may be; ruff sees to those of Python."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = {".html": 160, ".js": 120, ".css": 120}


def main() -> int:
    """Name each line that is too long; 1 if there is one."""
    found = [line for path in _files() for line in too_long(path)]
    print("\n".join(found) or "No line is too long")
    return 1 if found else 0


def too_long(path: Path) -> list[str]:
    """The lines of a file that are longer than its kind may be."""
    longest = LONGEST[path.suffix]
    lines = enumerate((ROOT / path).read_text().splitlines(), start=1)
    return [f"{path}:{at}: {len(line)} of {longest} characters" for at, line in lines if len(line) > longest]


def _files() -> list[Path]:
    """Those that git knows or would add; what was fetched is not ours."""
    patterns = [f"*{suffix}" for suffix in LONGEST]
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in map(Path, listed.splitlines()) if (ROOT / path).is_file()]


if __name__ == "__main__":
    sys.exit(main())
