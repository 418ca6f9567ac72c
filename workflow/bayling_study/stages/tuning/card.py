"""The model card that lies beside the weights."""

import yaml

from bayling_study.shared.cards import licence_keys
from bayling_study.stages.tuning.job import TrainingJob

METHODS = {
    "full": "Full fine-tuning",
    "lora": "Fine-tuning with LoRA, merged into the weights,",
    "qlora": "Fine-tuning with QLoRA (base in 4-bit NF4, dequantised and merged)",
}


def method(job: TrainingJob) -> str:
    """Returns what was done to the base model, for a reader."""
    adapter = job.settings.adapter
    return METHODS[adapter.kind if adapter else "full"]


def model_card(job: TrainingJob) -> str:
    """Returns the card as Markdown with the hub's YAML header."""
    card = job.card
    header: dict[str, object] = {"library_name": "transformers", "pipeline_tag": "text-generation"}
    if card.get("licence"):
        header |= licence_keys(card["licence"])
    if card.get("languages"):
        header["language"] = card["languages"]
    audit = card["audit"]
    supervised = f"{audit['supervised_tokens']} ({audit['supervised_share']:.1%})"
    recipes = "\n".join(
        f"| {recipe} | {count} |" for recipe, count in sorted(card["recipes"].items())
    )
    settings = "\n".join(
        f"| {key} | {value} |" for key, value in job.tuning.items() if value is not None
    )
    return f"""---
{yaml.safe_dump(header, sort_keys=False, allow_unicode=True).strip()}
---

# {job.system}

{method(job)} of `{card["base"]}` in the study *{card["study"]}*.
Licence of the base model: {card.get("licence") or "not stated in its files"}.

## Use

The tokenizer carries the chat template `{job.template}`, so `apply_chat_template` builds the
prompts that the model was trained on.

## Data

{audit["conversations"]} conversations, {audit["tokens"]} tokens. Of these {supervised} are
supervised: the assistant's texts and the token that ends each of them.
Hash of the instructions: `{card["data"]}`.

| recipe | conversations |
|---|---|
{recipes}

## Training

{card["processes"]} process(es), seed {job.seed}, code `{job.code or "unknown"}`.

| setting | value |
|---|---|
{settings}
"""
