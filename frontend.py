"""Fetch from npm's registry what pages load, a few scripts and the image viewer, and what checks our scripts.

What is fetched is named in package.json and pinned by hash there and in package-lock.json. `npm pack` gets
the packages as they are published: nothing is built and no script of theirs is run. bootstrap.py calls this;
it needs nothing but the standard library and reads as Python 3.8.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import IO, Any, Iterator

WORK = ".frontend"
"""Below the project's folder: the stamps, what only developers need, and what is being fetched."""
PLACES = {"vendor": "web/static/vendor", "tests": f"{WORK}/tests", "tools": f"{WORK}/tools"}
"""Where packages go: what pages load, what a test loads into them, what `make lint` runs."""
_MOST_BYTES = 400 * 10**6
_LONGEST = 300  # seconds
_COMPRESSED = (".js", ".css", ".wasm", ".svg")
_WORTH_COMPRESSING = 10_000


class Unfetched(Exception):
    """The packages are not there; the text says why, `output` what npm said."""

    def __init__(self, why: str, output: str = "") -> None:
        super().__init__(why)
        self.output = output


class Package:
    """A package as package.json and package-lock.json pin it."""

    def __init__(self, name: str, version: str, integrity: str, about: dict[str, Any], place: str) -> None:
        self.name, self.version, self.integrity = name, version, integrity
        self.files: list[str] = about.get("files", [])
        self.place = place if about.get("served", True) else "tests"
        self.target: str = about.get("as", name)
        self.folder: str = about.get("folder", "")
        self.without: list[str] = about.get("without", [])
        base = ""
        if "url" in about:
            # Browsers may keep for ever what lies in a folder that is named by what was done to it.
            about_it = json.dumps([version, about], sort_keys=True).encode()
            self.target += f"-{hashlib.sha256(about_it).hexdigest()[:8]}"
            base = f"{about['url']}{self.target}/"
        self.replace = [
            (old.encode(), new.replace("{base}", base).encode()) for old, new in about.get("replace", [])
        ]

    @property
    def tarball(self) -> str:
        """The file that `npm pack` makes."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"


def is_there(root: Path, lot: str = "vendor") -> bool:
    """Whether all is there that package.json names now under `lot`."""
    try:
        return _stamp(root, lot).read_text() == _state(root) and (root / PLACES[lot]).is_dir()
    except OSError:
        return False


@contextlib.contextmanager
def workplace(root: Path) -> Iterator[Path]:
    """A folder to fetch into; what was left by a fetch that was cut short goes as well."""
    work = root / WORK
    work.mkdir(exist_ok=True)
    for leftover in work.glob("fetching-*"):
        shutil.rmtree(str(leftover), ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=str(work)) as folder:
        yield Path(folder)


def fetch(root: Path, npm: list[str], folder: Path, lot: str = "vendor") -> None:
    """Fetch a lot of packages into the workplace `folder`, then put it where it belongs.

    Raises
    ------
    Unfetched
        npm failed or took too long, or what it brought is not what was pinned.
    """
    packages = _packages(root, lot)
    _pack(npm, [f"{package.name}@{package.version}" for package in packages], folder)
    for package in packages:
        tarball = folder / package.tarball
        _check(tarball, package.integrity)
        target = folder / package.place / package.target
        try:
            _unpack(tarball, package, target)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise Unfetched(f"{package.tarball} can't be unpacked ({error})") from error
        tarball.unlink()
    with contextlib.suppress(FileNotFoundError):
        _stamp(root, lot).unlink()
    for place in {package.place for package in packages}:
        _replace(folder / place, root / PLACES[place], folder)
    _stamp(root, lot).write_text(_state(root))


def _stamp(root: Path, lot: str) -> Path:
    return root / WORK / ("stamp" if lot == "vendor" else f"stamp-{lot}")


def _state(root: Path) -> str:
    digest = hashlib.sha256()
    for path in (root / "package.json", root / "package-lock.json", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _packages(root: Path, lot: str) -> list[Package]:
    """Those that package.json says something of under the lot's name."""
    named = json.loads((root / "package.json").read_text())
    locked = json.loads((root / "package-lock.json").read_text())["packages"]
    packages = []
    for name, about in named[lot].items():
        pin = about if "integrity" in about else locked[f"node_modules/{name}"]
        packages.append(Package(name, pin["version"], pin["integrity"], about, lot))
    return packages


def _pack(npm: list[str], specifications: list[str], folder: Path) -> None:
    command = [*npm, "pack", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"]
    command += ["--fetch-retry-mintimeout=1000", *specifications]
    try:
        packed = subprocess.run(
            command,
            cwd=str(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LONGEST,
        )
    except subprocess.TimeoutExpired:
        raise Unfetched(f"npm's registry is too slow: not all was here after {_LONGEST} seconds") from None
    except OSError as error:
        raise Unfetched(f"npm can't be run ({error})") from error
    if packed.returncode:
        raise Unfetched("npm can't get them", packed.stdout)


def _check(tarball: Path, integrity: str) -> None:
    """Compare with a hash as npm writes it: `sha512-` and base64."""
    digest = hashlib.sha512()
    try:
        with tarball.open("rb") as file:
            for chunk in iter(lambda: file.read(1 << 20), b""):
                digest.update(chunk)
    except OSError as error:
        raise Unfetched(f"npm brought no {tarball.name}") from error
    if f"sha512-{base64.b64encode(digest.digest()).decode()}" != integrity:
        raise Unfetched(f"{tarball.name} isn't the file that was pinned: look at what sits between")


# Unpacking


def _unpack(tarball: Path, package: Package, target: Path) -> None:
    """Write the wanted files of a package below `target`; ValueError if it tries to write elsewhere."""
    left, missing = _MOST_BYTES, set(package.files)
    unfound = {old for old, _ in package.replace}
    with tarfile.open(str(tarball), "r|gz") as archive:
        for member in archive:
            name = _name_in(member, package)
            if not name:
                continue
            missing.discard(_inner(member.name))
            left -= member.size
            content = archive.extractfile(member)
            if left < 0 or content is None:
                raise ValueError(f"{member.name} is too large or no file")
            unfound -= _write(target / name, content, package)
    missing |= {old.decode() for old in unfound}
    if missing:
        raise ValueError(f"without {', '.join(sorted(missing))}")


def _inner(name: str) -> str:
    """The path below the one folder that npm's tarballs hold."""
    return name.partition("/")[2]


def _name_in(member: tarfile.TarInfo, package: Package) -> str:
    """Where below its folder a member goes; nothing where it isn't wanted."""
    path = PurePosixPath(_inner(member.name))
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        raise ValueError(f"{member.name!r} leads elsewhere")
    if not member.isfile():
        if member.isdir():
            return ""
        raise ValueError(f"{member.name!r} is neither file nor folder")
    if package.files:
        return path.name if str(path) in package.files else ""
    if str(path) == "LICENSE":
        return "LICENSE"
    folder = PurePosixPath(package.folder).parts  # none for ".", the whole package
    if not package.folder or path.parts[: len(folder)] != folder:
        return ""
    name = str(PurePosixPath(*path.parts[len(folder) :]))
    unwanted = any(name.startswith(part) or name.endswith(part) for part in package.without)
    return "" if unwanted else name


def _write(path: Path, content: IO[bytes], package: Package) -> set[bytes]:
    """Write a file with what is to be replaced in it; which of that it held."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = set()
    if package.replace and path.suffix in (".js", ".css"):
        # A build that was made to lie at `/` finds its files elsewhere, and errors of it are mended.
        text = content.read()
        for old, new in package.replace:
            if old in text:
                found.add(old)
                text = text.replace(old, new)
        path.write_bytes(text)
    else:
        with path.open("xb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
    if package.place == "vendor" and path.suffix in _COMPRESSED and path.stat().st_size > _WORTH_COMPRESSING:
        # Beside it, where the server finds it for browsers that take it so.
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 6))
    return found


def _replace(new: Path, old: Path, folder: Path) -> None:
    """Put `new` where `old` is; nobody sees half of either."""
    old.parent.mkdir(parents=True, exist_ok=True)
    if old.exists():
        os.rename(str(old), str(folder / f"old-{old.name}"))
    os.rename(str(new), str(old))
