"""Section ``sources``, and what one row of ``config/sources.tsv`` holds as well. A model may also
be named where it is used: ``source: /path`` or ``source: org/name@revision`` stands for a source of
its own (``with_named_models``)."""

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from bayling_study.config.base import Section, leaves_source

Kind = Literal[
    "pip-wheel", "pip-sdist", "url", "git", "hub", "sacrebleu", "apt", "npm", "babel", "local"
]
PINNED_KINDS = ("pip-wheel", "pip-sdist")
"""Kinds whose archive must be hash-pinned in the table: an index may serve anything."""
VERSIONED_KINDS = ("apt", "npm", "babel")
"""Kinds that name a package's version; what that version holds is locked at first."""

ON_HUB = r"(models|datasets)/[\w.-]+/[\w.-]+"
PARTS = r"(revision|files|columns|size|gate|licence)"
CONFIRMED = rf"({PARTS}( {PARTS})*: [^;:]+)"
Sha256 = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]


class Source(Section):
    """One upstream source."""

    kind: Kind
    location: str = Field(min_length=1)
    """Package, address, repository address, ``models/OWNER/NAME``, test set or path, by kind.
    With ``;`` between them: packages (apt), repositories of which the first that answers is
    taken (hub)."""
    revision: str = ""
    """Version, commit or hub revision; empty on the hub means locked at the first download."""
    files: tuple[str, ...] = ()
    """Patterns of members to keep, relative to the archive's top; empty keeps all.
    ``*`` crosses no ``/``, ``**`` does."""
    sha256: Sha256 = ""
    """Of the archive or single file; for kinds of many files (git, hub, sacrebleu, a local
    folder) of their listing, see ``bayling_study.stages.download.receipt.listing_hash``."""
    bytes: int | None = Field(default=None, gt=0)
    """Size of the transfer: exact and insisted on for packages and ``url``, else an estimate."""
    licence: str = Field(min_length=1)
    """Name of the licence as the report shows it; ``unknown`` where nobody states one."""
    gated: bool = False
    """Whether the host wants terms accepted and a token."""
    confirmed: Annotated[str, StringConstraints(pattern=rf"^({CONFIRMED}(; {CONFIRMED})*)?$")] = ""
    """What of the row was seen, and where: ``files columns: the package; size: hub index``, of
    revision, files, columns, size, gate and licence. What is not named nobody has checked."""
    note: str = ""
    """What else a reader of the table should know."""

    @property
    def places(self) -> list[str]:
        """Returns what ``location`` names, each by itself."""
        return self.location.split(";")

    @field_validator("files")
    @classmethod
    def _relative(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if leaves_source(pattern):
                raise ValueError(f"pattern {pattern!r} must stay inside the archive")
        return patterns

    @model_validator(mode="after")
    def _complete(self) -> "Source":
        if self.kind in PINNED_KINDS and not (self.revision and self.sha256 and self.bytes):
            raise ValueError(f"kind {self.kind} needs revision, sha256 and bytes")
        if self.kind in VERSIONED_KINDS and not self.revision:
            raise ValueError(f"kind {self.kind} needs a version as revision")
        if self.kind == "git" and not re.fullmatch(r"[0-9a-f]{7,40}", self.revision):
            raise ValueError("kind git needs a commit id of 7 to 40 hex digits as revision")
        if self.kind == "hub" and not all(re.fullmatch(ON_HUB, one) for one in self.places):
            raise ValueError("kind hub needs a location models/OWNER/NAME or datasets/OWNER/NAME")
        if self.kind == "url" and not re.match(r"https?://", self.location):
            raise ValueError("kind url needs an http or https address as location")
        return self


NAMED_BY = "named by "
MODEL_FILES = ("*.safetensors", "*.bin", "*.json", "*.jinja", "tokenizer.model")
"""What is kept of a model's repository on the hub."""


def with_named_models(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a configuration in which every model that is named by its place is a source.
    ``source`` of a system of kind ``foundation`` or ``delta`` becomes the id of an entry that is
    added to ``sources``: the place's last part and a hash of the whole, so that no id of the table
    is taken. All else is left for the models to judge."""
    systems, sources = values.get("systems"), values.get("sources", {})
    if not isinstance(systems, Mapping) or not isinstance(sources, Mapping):
        return dict(values)
    named, added = dict(systems), {}
    for name, system in systems.items():
        if isinstance(system, Mapping) and system.get("kind") in ("foundation", "delta"):
            place = system.get("source")
            if isinstance(place, str) and "/" in place:
                source = _source_at(place, f"systems.{name}.source")
                last = place.partition("@")[0].rstrip("/").rpartition("/")[2]
                stem = re.sub(r"[^a-z0-9._-]+", "-", last.lower()).strip("._-")[:48]
                key = f"{stem or 'model'}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"
                named[name], added[key] = {**system, "source": key}, source
    return {**values, "systems": named, "sources": {**sources, **added}} if added else dict(values)


def _source_at(place: str, key: str) -> dict[str, Any]:
    """Returns the source that a place stands for; its licence nobody has stated."""
    common = {"licence": "unknown", "note": f"{NAMED_BY}{key}"}
    if place.startswith(("/", "./", "../", "~/")):
        return {"kind": "local", "location": place, **common}
    if not re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", place):
        what = "neither a path (/models/mine, ./mine) nor org/name@revision of the hub"
        raise ValueError(f"{key}: {place!r} is {what}")
    repository, _, revision = place.partition("@")
    hub = {"kind": "hub", "location": f"models/{repository}", "revision": revision}
    return {**hub, "files": list(MODEL_FILES), **common}
