"""An environment as its lock wants it, and the folders of ``.venv`` that are or were one."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

from in_use import STAMP, held, say, users

ROOT = Path(__file__).resolve().parents[1]


class Environment:
    """One of the two environments, as its lock wants it.

    Args:
        name: ``study`` or ``comet``.
        root: the repository.
    """

    def __init__(self, name: str, root: Path = ROOT) -> None:
        self.name = name
        self.files = (root / "envs" / f"{name}.lock", root / "envs" / "torch.txt")
        self.home = (root / ".venv").resolve()  # may be a link to one that checkouts share
        self.shown = f".venv/{name}"
        self.link = self.home / name
        self.hash = self.hash_now()
        self.folder = self.home / f"{name}-{self.hash}"

    def hash_now(self) -> str:
        """Returns the hash of the lock's and torch's content, 12 hexadecimal digits."""
        content = b"\0".join(path.read_bytes() for path in self.files)
        return hashlib.sha256(content).hexdigest()[:12]

    def ready(self, folder: Path) -> bool:
        """Tells whether a folder is a whole environment with what the lock names."""
        stamp = folder / STAMP
        if not stamp.is_file() or not (folder / "bin" / "python").exists():
            return False
        return (stamp.read_text().strip() or self.hash_of_contents(folder)) == self.hash

    def hash_of_contents(self, folder: Path) -> str:
        """Returns the lock's hash if a folder holds every version in it, else nothing."""
        from importlib.metadata import distributions  # for folders from before: 0.01 s a start

        packages = map(str, folder.glob("lib/python*/site-packages"))
        installed = {
            plain(found.name): found.version.partition("+")[0]  # torch's build: 2.13.0+cpu
            for found in distributions(path=list(packages))
        }
        text = "\n".join(path.read_text(encoding="utf-8") for path in self.files)
        pins = re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", text)
        whole = all(installed.get(plain(name)) == version for name, version in pins)
        return self.hash if whole else ""

    def adopt(self) -> None:
        """Writes the hash into the empty stamp of a folder from before."""
        stamp = self.link / STAMP
        if not stamp.read_text() and os.access(stamp, os.W_OK):
            stamp.write_text(f"{self.hash}\n")

    def switch(self) -> None:
        """Makes the built folder the one in use."""
        if self.link.is_dir() and not self.link.is_symlink():
            self.link.rename(self.home / f"{self.name}-replaced-{os.getpid()}")
        new = self.home / f".{self.name}.new"
        new.unlink(missing_ok=True)
        new.symlink_to(self.folder.name)
        new.replace(self.link)
        say(f"{self.name}: {self.shown} is {self.folder.name} now")

    def leftovers(self) -> list[Path]:
        """Returns folders that are not in use any more, and halves of builds that were stopped."""
        name = re.compile(rf"{self.name}-([0-9a-f]{{12}}|replaced-\d+)")
        return [
            folder
            for folder in sorted(self.home.glob(f"{self.name}-*"))
            if name.fullmatch(folder.name) and folder != self.link.resolve() and folder.is_dir()
        ]

    def sweep(self) -> None:
        """Removes the leftovers that no process lives in."""
        for folder in self.leftovers():
            if not users(folder) and not held(folder):
                remove(folder)


def plain(name: str) -> str:
    """Returns a package's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def remove(folder: Path) -> None:
    """Removes an environment and its log; one that is removed halfway has no stamp."""
    (folder / STAMP).unlink(missing_ok=True)
    folder.with_suffix(".log").unlink(missing_ok=True)
    shutil.rmtree(folder)
