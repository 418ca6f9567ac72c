"""Asks each upstream of the table of sources what it serves now, and prints what differs.

Only metadata is asked for, nothing is downloaded. A difference is no error of the table by itself:
a branch moves, a size may have been an estimate. Ends with 1 where there is any.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import requests

from bayling_study.commands.plan.tables import decimal
from bayling_study.commands.summary import aligned
from bayling_study.config import load_config
from bayling_study.config.sources import PINNED_KINDS
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import look_up
from bayling_study.core.progress import Progress
from bayling_study.dag.layout import Layout
from bayling_study.shared.sources.table import SourceRow, known_sources
from bayling_study.stages.download.archives import matcher
from bayling_study.stages.download.clients import run
from bayling_study.stages.download.hub import first_answer, online_hub
from bayling_study.stages.download.package_index import index_links, is_archive
from bayling_study.stages.download.request import DownloadRequest
from bayling_study.stages.download.transfer import Policy

SECONDS, AT_ONCE = 30, 8
"""For one answer (who takes longer counts as not reached), and upstreams asked at a time."""
TOLERANCE = 0.1  # part by which a size may be off, where the table gives it as an estimate
CLIENTS = {"apt": (["apt-cache", "show"], "="), "npm": (["npm", "view"], "@")}
"""What asks for a package, and what stands before its version."""
ONLY = cli.option("ids of sources; none means all", nargs="*", default=[])
COMMAND_LINE = cli.command(__name__, study_config=cli.STUDY_CONFIG, only=ONLY)
Answer = tuple[str, int | None, list[str]]
"""Commit or version served, size of the transfer as far as told, and what differs."""


def main() -> int:
    """Prints a line for each source; tells whether all is as stated."""
    options = COMMAND_LINE.parse_args()
    config = load_config(*options.study_config)
    path, table = Path(config.download.manifest), known_sources(config)
    rows = [look_up("source", name, table, path) for name in options.only or table]
    users = studies(path.parent)

    def line(row: SourceRow) -> tuple[str, ...]:
        revision, size, differs = "", None, list[str]()
        try:
            request = DownloadRequest(row, Path(), mirrors=config.download.mirrors)
            revision, size, differs = ask(request)
        except (StudyError, OSError) as error:  # requests has its own of the latter
            differs = [" ".join(str(error).split())]
        off = 0 if row.kind in (*PINNED_KINDS, "url") else TOLERANCE
        if size and row.bytes and abs(size - row.bytes) > off * row.bytes:
            differs.append(f"{decimal(row.bytes)} is stated")
        shown = f"{revision[:12]} {decimal(size) if size else ''}".strip()
        return row.id, shown, "; ".join(differs), row.confirmed, ", ".join(users.get(row.id, ()))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        lines = [*Progress("asking", len(rows), "sources", over=pool.map(line, rows))]
    right = sum(not line[2] for line in lines)
    print(aligned([("source", "upstream", "differs", "seen before", "studies"), *lines]))
    print(f"{right} of {len(lines)} sources are as the table states")
    return int(right < len(lines))


def studies(folder: Path) -> dict[str, list[str]]:
    """Returns the shipped studies that use each source, from the folder of configurations."""
    users: dict[str, list[str]] = {}
    for path in sorted([*folder.glob("config.yaml"), *folder.glob("studies/*.yaml")]):
        layout = Layout(load_config(path))
        for source in layout.used_sources():
            users.setdefault(source, []).append(layout.config.study.name)
    return users


def ask(request: DownloadRequest) -> Answer:
    """Returns what the upstream of a row says now (``StudyError`` or ``OSError`` if it does not
    have the source, or cannot be asked)."""
    row, place = request.row, request.mirrored(request.row.location)
    if row.kind == "hub":
        return _hub(row)
    if row.kind == "sacrebleu":
        pairs = import_module("sacrebleu").get_langpairs_for_testset(place)
        return "", None, [f"no {pair}" for pair in row.files if pair not in pairs]
    if row.kind in CLIENTS:
        command, mark = CLIENTS[row.kind]
        named = [f"{name}{mark}{row.revision}" for name in row.places]
        told = run([*command, *named], command[0], SECONDS, {"LC_ALL": "C.UTF-8"}, text=True)
        if told.returncode or not told.stdout.strip():
            raise StudyError(f"{command[0]} does not know it: {told.stderr.strip()}")
        return row.revision, sum(map(int, re.findall(r"(?m)^Size: (\d+)$", told.stdout))), []
    if row.kind in PINNED_KINDS:
        wheel = row.kind == "pip-wheel"
        links = [url for url in index_links(row, Policy(1)) if is_archive(url, row, wheel)]
        place = next(iter(links), "")
    if row.kind == "git":
        place = f"{place.removesuffix('.git')}/archive/{row.revision}.tar.gz"
    if not place.startswith("http"):  # of this machine
        return row.revision, None, [] if place else ["in no index"]
    answer = requests.head(place, allow_redirects=True, timeout=SECONDS)
    answer.raise_for_status()
    length = answer.headers.get("Content-Length", "")
    return row.revision, int(length) if length.isdigit() else None, []


def _hub(row: SourceRow) -> Answer:
    hub, errors = online_hub(), import_module("huggingface_hub.errors")
    how = {"files_metadata": True, "timeout": SECONDS}
    try:
        info, _ = first_answer(row, hub.HfApi(), row.revision, **how)
    except errors.HTTPError as error:
        raise StudyError(f"the hub: {error}", where=row.location) from error
    tests = {pattern: matcher(pattern) for pattern in row.files or ("**",)}
    names = [file.rfilename for file in info.siblings]
    differs = [f"nothing matches {p}" for p, test in tests.items() if not any(map(test, names))]
    if bool(info.gated) != row.gated:
        differs.append("is gated" if info.gated else "is not gated")
    sizes = [f.size or 0 for f in info.siblings if any(t(f.rfilename) for t in tests.values())]
    return str(info.sha), sum(sizes), differs


if __name__ == "__main__":
    cli.run_program(main)
