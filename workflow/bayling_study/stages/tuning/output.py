"""The tuned checkpoint in the hub's format: weights, tokenizer, chat template, card."""

from pathlib import Path
from typing import Any

import torch
import transformers
import yaml

from bayling_study.core.files import atomic_directory, read_json, write_json
from bayling_study.shared import templates
from bayling_study.shared.cards import licence_keys
from bayling_study.shared.checkpoints.decoding_defaults import divided
from bayling_study.shared.checkpoints.loading import check_weights
from bayling_study.shared.checkpoints.older_readers import add_older_names
from bayling_study.shared.checkpoints.skeleton import skeleton
from bayling_study.shared.token_set import AUDIT
from bayling_study.stages.tuning.job import TrainingJob

CARD = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")
METHODS = {
    "full": "Full fine-tuning",
    "lora": "Fine-tuning with LoRA, merged into the weights,",
    "qlora": "Fine-tuning with QLoRA (base in 4-bit NF4, dequantised and merged)",
}


def write(job: TrainingJob, weights: dict[str, torch.Tensor], dtype: torch.dtype) -> None:
    """Writes the result folder; it appears whole or not at all. ``weights`` are all parameters of
    the model by name; the configuration notes their ``dtype`` (``StudyError`` if weights are no
    numbers: the last step's change was too large)."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(job.foundation)
    tokenizer.chat_template = templates.chat_template(tokenizer, job.template)
    with atomic_directory(Path(job.out)) as folder:
        model = assemble(job.foundation, weights, dtype)
        set_generation(model, tokenizer, job)
        model.save_pretrained(folder)
        check_weights(folder, Path(job.out), "lower tuning.learning_rate")
        tokenizer.save_pretrained(folder)
        add_older_names(folder)
        write_json(folder / AUDIT, read_json(job.folder / AUDIT))
        (folder / "README.md").write_text(model_card(job), encoding="utf-8")


def assemble(foundation: str, weights: dict[str, torch.Tensor], dtype: torch.dtype) -> Any:
    """Returns the foundation's architecture around the given weights, without copying them."""
    model = skeleton(Path(foundation), dtype)
    model.config.use_cache = True
    # Tied tensors are one parameter and have one name among the weights.
    missing, unexpected = model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    unset = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if unset or unexpected:
        raise ValueError(f"weights do not fit: unset {unset}, unknown {unexpected}, {missing}")
    return model


def set_generation(model: Any, tokenizer: Any, job: TrainingJob) -> None:
    """Makes generation stop where the template's answers end."""
    try:
        generation = transformers.GenerationConfig.from_pretrained(job.foundation)
    except OSError:  # a foundation without the file: take what its model config says
        generation = transformers.GenerationConfig.from_model_config(model.config)
    stops = templates.stop_ids(tokenizer, job.template)
    generation.eos_token_id = stops if len(stops) > 1 else stops[0]
    generation.bos_token_id = tokenizer.bos_token_id
    if tokenizer.pad_token_id is not None:
        generation.pad_token_id = tokenizer.pad_token_id
    # What the foundation says of decoding is no part of what was tuned.
    kept, _ = divided(generation.to_diff_dict())
    model.generation_config = transformers.GenerationConfig(**kept)


def model_card(job: TrainingJob) -> str:
    """Returns the card as Markdown with the hub's YAML header."""
    card, adapter = job.card, job.settings.adapter
    header: dict[str, object] = {"library_name": "transformers", "pipeline_tag": "text-generation"}
    if card.get("licence"):
        header |= licence_keys(card["licence"])
    if card.get("languages"):
        header["language"] = card["languages"]
    audit = card["audit"]
    supervised = f"{audit['supervised_tokens']} ({audit['supervised_share']:.1%})"
    recipes = "\n".join(f"| {name} | {count} |" for name, count in sorted(card["recipes"].items()))
    written = ((key, value) for key, value in job.tuning.items() if value is not None)
    settings = "\n".join(f"| {key} | {value} |" for key, value in written)
    return CARD.format(
        job=job, card=card, audit=audit, supervised=supervised, recipes=recipes, settings=settings,
        header=yaml.safe_dump(header, sort_keys=False, allow_unicode=True).strip(),
        method=METHODS[adapter.kind if adapter else "full"], code=job.code or "unknown",
        licence=card.get("licence") or "not stated in its files",
    )  # fmt: skip
