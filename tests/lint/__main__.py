"""Run all checks over the files that git knows; exit status 1 if one complains."""

import subprocess
import sys

from tests.lint import module_names


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "*.py"], capture_output=True, text=True, check=True)
    complaints = list(module_names.complaints(listed.stdout.splitlines()))
    print("\n".join(complaints) or "Every module name stands where it may")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
