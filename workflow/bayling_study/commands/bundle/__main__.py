"""Packs what a study needs into one archive; ``verify`` looks at what arrived.

    make fetch STUDY=bayling-7b                    # on a machine with a network
    make bundle STUDY=bayling-7b
    tar xf bayling-7b.tar && cd bayling-study      # on the cluster
    make verify && make study STUDY=bayling-7b

The archive holds the repository, the study's whole configuration and its sources with their
receipts; downloads are then found in place, and no job asks for a network. Environments are not in
it: their locks are, for ``pip download -r envs/study.lock -d wheels`` here and ``PIP_NO_INDEX=1
PIP_FIND_LINKS=$PWD/wheels make envs`` there.
"""

from pathlib import Path

from bayling_study.commands.bundle.archive import archive_bytes, list_contents, write
from bayling_study.commands.bundle.contents import entries
from bayling_study.config import load_config
from bayling_study.config.loading import ROOT
from bayling_study.core import cli
from bayling_study.core.disk import check_space
from bayling_study.dag.layout import Layout

TOP = "bayling-study"
"""The one folder in the archive."""


def main() -> None:
    """Packs a study."""
    archive = cli.path("archive to write")
    options = cli.command(__name__, study_config=cli.STUDY_CONFIG, out=archive).parse_args()
    pack_study(options.study_config, options.out)


def pack_study(files: list[Path], out: Path) -> None:
    """Writes the archive of the study that some config files describe.

    Raises:
        StudyError: a source was not fetched, or the disk is too small.
    """
    config = load_config(*files)
    layout = Layout(config)
    layout.check()
    ordered, listing = list_contents(entries(layout, ROOT))
    size, place = archive_bytes(listing), out.absolute().parent
    place.mkdir(parents=True, exist_ok=True)
    check_space(place, size, "the archive", "make bundle BUNDLE=/bigger/disk/NAME.tar")
    sources = {source: layout.download(source).name for source in layout.used_sources()}
    write(out, TOP, {"study": config.study.name, "sources": sources}, ordered, listing)
    total = sum(facts["bytes"] for facts in listing.values())
    print(
        f"{out}: {len(listing)} files, {total / 1e9:.2f} GB, {len(sources)} sources.\n"
        f"There: tar xf {out.name} && cd {TOP} && make verify && make study "
        f"STUDY={config.study.name}"
    )


if __name__ == "__main__":
    cli.run_program(main)
