import shutil
from pathlib import Path


def repository(source):
    """Returns this repository's folder, wherever the workflow lies that imports it.

    Of a commit that Snakemake reads from a host (github, gitlab) it makes a copy beside the
    results: Python needs files.
    """
    if not hasattr(source, "hosted_repo"):
        return Path(str(source))
    clone = source.hosted_repo.repo
    commit = clone.commit(source.ref).hexsha
    copy = Path(".snakemake", "bayling-study", commit).resolve()
    if not copy.is_dir():
        part = copy.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        clone.git.archive(commit, output=f"{part}.tar")
        shutil.unpack_archive(f"{part}.tar", part)
        Path(f"{part}.tar").unlink()
        part.rename(copy)
    return copy
