"""Gathers a tuned system with its model card, checks both, and uploads them to a model hub.

``--dry`` stops before the network. The hub is the one that HF_ENDPOINT names, or its default; a
new repository is private until its owner opens it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from bayling_study.config import load_config
from bayling_study.config.rehearsal import refuse_rehearsal
from bayling_study.config.systems import TunedSystem
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory
from bayling_study.core.lookup import look_up_kind
from bayling_study.dag.layout import Layout

HINTS = {
    "\nbase_model: ": "base_model, which the foundation's source does not tell: BASE=org/name",
    "\n## What the study found\n": "verdict, which the report gives: make study",
    "\nmodel-index:\n": "scores, which the study has not yet: make study",
}
"""A part of the card, and what to do where it is missing."""
COMMAND_LINE = cli.command(
    __name__,
    study_config=cli.STUDY_CONFIG,
    system=cli.option("name of a tuned system", required=True),
    repo=cli.option("repository on the hub, ORG/NAME", required=True),
    base=cli.option("the foundation's name on the hub, ORG/NAME, if its source is not there"),
    dry=cli.option("gather and check only", action="store_true"),
)


def main() -> None:
    """Runs the command."""
    options = COMMAND_LINE.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1" if options.dry else "0"  # before the library reads it
    layout = Layout(load_config(*options.study_config))
    folder = gather(layout, options.system, options.repo, options.base)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    for name, size in (sizes | {f"in {folder}": sum(sizes.values())}).items():
        print(f"{size:>15,}  {name}")
    card = (folder / "README.md").read_text(encoding="utf-8")
    for part, missing in HINTS.items():
        if part not in card:
            print(f"the card has no {missing}")
    if not options.dry:
        print(upload(folder, options.repo))


def gather(layout: Layout, system: str, repo: str, base: str | None) -> Path:
    """Fills ``results/STUDY/publish/SYSTEM`` with links to the checkpoint's files and its card
    (``StudyError``: not tuned, not there, passed on as a difference alone, or a wrong name)."""
    from bayling_study.commands.publish.card import model_card

    _check_names({"REPO": repo} | ({"BASE": base} if base else {}))
    tuned = look_up_kind(TunedSystem, "tuned system", system, layout.config.systems, "SYSTEM")
    if tuned.delta:
        what = f"{system} is written as a difference, for its base may not be passed on"
        made = layout.study / "deltas" / "made" / system
        raise StudyError(what, where=f"systems.{system}.delta", fix=f"hf upload {repo} {made}")
    checkpoint = layout.checkpoint(system)
    if not (checkpoint / "config.json").is_file():
        raise StudyError("the system is not trained yet", where=checkpoint, fix="make study")
    refuse_rehearsal(checkpoint, f"systems.{system}")
    card = model_card(layout, system, repo, base)
    out = layout.study / "publish" / system
    with atomic_directory(out) as scratch:
        for file in checkpoint.glob("[!.]*"):
            if file.is_file() and file.name != "README.md":
                (scratch / file.name).symlink_to(file.resolve())
        card.save(scratch / "README.md")
    return out


def _check_names(names: Mapping[str, str]) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    for key, name in names.items():
        try:
            validate_repo_id(name)
            if "/" not in name:
                raise HFValidationError(f"{name!r} has no owner")
        except HFValidationError as error:
            raise StudyError(str(error), where=key, fix=f"{key}=org/name") from error


def upload(folder: Path, repo: str) -> str:
    """Lets the hub check the card, then uploads the folder; returns the commit's address
    (``StudyError``: no token, the hub refuses the card or the files, or is not reached)."""
    from huggingface_hub import HfApi, ModelCard
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    try:
        ModelCard.load(folder / "README.md").validate()
        api = HfApi()
        api.create_repo(repo, private=True, exist_ok=True)
        return str(api.upload_folder(repo_id=repo, folder_path=folder).commit_url)
    except (HTTPError, ValueError, OSError) as error:
        reason = f"{error}".strip() or type(error).__name__
        what = f"the hub did not take it: {reason.splitlines()[0]}"
        fix = "run `hf auth login` with a token that may write there"
        raise StudyError(what, where=repo, fix=fix) from error


if __name__ == "__main__":
    cli.run_program(main)
