"""The hub as its client sees it: revisions, trees by pages, redirects to a store, gates."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from helpers.upstream.answering import Answering
from helpers.upstream.packing import Files

PARQUET = "refs/convert/parquet"
PAGE = 100
"""Entries of a page of a tree; the hub's own have 1,000."""
TOKEN = "hf_accepted"
"""The token of an account that has accepted every repository's terms."""
LARGE = (".parquet", ".bin", ".safetensors", ".model", ".ckpt", ".jsonl", ".gz")
"""How the names of files end that the hub has in its store, behind a redirect."""
API = re.compile(
    r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+)/?(.*))?"
)
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repository:
    """Files by branch, and whether terms have to be accepted first.

    ``main`` is at the commit ``pinned``, if there is one.
    """

    branches: dict[str, Files]
    gated: bool = False
    pinned: str = ""

    def commit(self, name: str, branch: str) -> str:
        """Returns the commit that a branch is at."""
        if branch == "main" and self.pinned:
            return self.pinned
        listing = "".join(sorted(self.branches[branch]))
        return hashlib.sha1(f"{name} {branch} {listing}".encode()).hexdigest()

    def find(self, name: str, revision: str) -> tuple[str, Files] | None:
        """Returns commit and files of a branch or commit."""
        for branch, files in self.branches.items():
            commit = self.commit(name, branch)
            if revision in (branch, commit):
                return commit, files
        return None


@dataclass
class Hub:
    """Repositories by ``models/OWNER/NAME`` or ``datasets/OWNER/NAME``.

    To the first ``busy`` requests it says that too many came; ``store`` holds the large
    files that were asked for, whose addresses know no account.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    busy: int = 0
    store: Files = field(default_factory=dict)

    def answer(self, handler: Answering) -> None:
        """Answers a request of the hub's client."""
        path = urlsplit(handler.path).path
        if self.busy:
            self.busy -= 1
            handler.refuse(429, Retry_After="0", RateLimit='"resolvers";r=0;t=0')
        elif path.startswith("/store/"):
            handler.give(self.store.get(path.removeprefix("/store/")))
        elif match := API.fullmatch(path):
            self._tell(
                handler, f"{match[1]}/{match[2]}", match[3], match[4], unquote(match[5] or "")
            )
        elif match := FILE.fullmatch(path):
            kind = match[1] or "models/"
            self._resolve(handler, f"{kind}{match[2]}", unquote(match[3]), unquote(match[4]))
        else:
            handler.refuse(404)

    def _open(self, handler: Answering, place: str, revision: str) -> tuple[str, Files] | None:
        """Returns commit and files, or refuses as the hub does."""
        repository = self.repositories.get(place)
        token = handler.headers.get("Authorization", "").removeprefix("Bearer ")
        if repository is None:  # without an account it does not tell what is private
            handler.refuse(404 if token else 401, X_Error_Code="RepoNotFound")
        elif repository.gated and token != TOKEN:
            handler.refuse(403 if token else 401, X_Error_Code="GatedRepo")
        elif found := repository.find(place, unquote(revision)):
            return found
        else:
            handler.refuse(404, X_Error_Code="RevisionNotFound")
        return None

    def _tell(self, handler: Answering, place: str, about: str, revision: str, folder: str) -> None:
        found = self._open(handler, place, revision or "main")
        if not found:
            return
        commit, files = found
        if about == "tree":
            self._list(handler, files, folder)
            return
        if about == "paths-info":
            asked = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))["paths"]
            handler.send([entry for entry in tree(files) if entry["path"] in asked])
            return
        names = [{"rfilename": name} for name in sorted(files)]
        facts = {"id": place.partition("/")[2], "sha": commit, "siblings": names, "private": False}
        handler.send({**facts, "gated": "manual" if self.repositories[place].gated else False})

    def _list(self, handler: Answering, files: Files, folder: str) -> None:
        """Sends a page of a folder's tree, and where the next is."""
        address = urlsplit(handler.path)
        asked = {key: values[0] for key, values in parse_qs(address.query).items()}
        prefix, deep = f"{folder}/" if folder else "", asked.get("recursive", "").lower() == "true"
        entries = [entry for entry in tree(files) if entry["path"].startswith(prefix)]
        entries = [e for e in entries if deep or "/" not in e["path"].removeprefix(prefix)]
        if folder and not entries:
            handler.refuse(404, X_Error_Code="EntryNotFound")
            return
        start = int(asked.get("cursor", "0"))
        more = start + PAGE < len(entries)
        following = f"{handler.site.url}{address.path}?recursive={deep}&cursor={start + PAGE}"
        links = {"Link": f'<{following}>; rel="next"'} if more else {}
        handler.send(entries[start : start + PAGE], **links)

    def _resolve(self, handler: Answering, place: str, revision: str, name: str) -> None:
        """Gives a small file; of a large one, where it is in the store."""
        found = self._open(handler, place, revision)
        if not found:
            return
        commit, files = found
        if name not in files:
            handler.refuse(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            return
        if not name.endswith(LARGE):
            handler.give(files[name], X_Repo_Commit=commit)
            return
        digest = hashlib.sha256(files[name]).hexdigest()
        linked = {"X_Linked_Etag": f'"{digest}"', "X_Linked_Size": str(len(files[name]))}
        self.store[digest] = files[name]
        host = handler.site.url.replace("127.0.0.1", "localhost")  # another name: another host
        there = f"{host}/store/{digest}?signed=yes"
        handler.refuse(302, X_Repo_Commit=commit, Location=there, **linked)


def tree(files: Files) -> list[dict[str, Any]]:
    """Returns files and folders as the tree of the hub lists them."""
    folders = {
        name.rsplit("/", depth)[0] for name in files for depth in range(1, name.count("/") + 1)
    }
    entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": name} for name in folders]
    for name, content in files.items():
        entry: dict[str, Any] = {"type": "file", "oid": hashlib.sha1(content).hexdigest()}
        entry |= {"size": len(content), "path": name}
        if name.endswith(LARGE):
            oid = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 134}
        entries.append(entry)
    return sorted(entries, key=lambda entry: str(entry["path"]))
