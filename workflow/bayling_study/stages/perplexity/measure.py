"""Held-out conversations, the suites' prompts answered by their references, and what a model thinks
of them: the log-probability of every answer token, and the most probable one in its place. Only
conversations with a reference for every user turn count, all suites together. Earlier turns are
answered by their references (teacher forcing), so that both systems read the same text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from bayling_study.config.systems import TemplateName
from bayling_study.core.batches import length_batches
from bayling_study.core.errors import StudyError
from bayling_study.core.progress import Progress
from bayling_study.core.records import Prompt, read_prompts
from bayling_study.core.seeds import generator
from bayling_study.shared import templates
from bayling_study.shared.reading import LOGIT_VALUES


@dataclass(frozen=True)
class Conversation:
    """Prompt ``SUITE/ID`` as tokens; the mask is true for answers and the ends of answers, which
    are of so many ``bytes`` of text."""

    name: str
    ids: list[int]
    mask: list[bool]
    bytes: int = 0


def draw(folder: Path, suites: Iterable[str], count: int, seed: int) -> list[Prompt]:
    """Draws at most ``count`` prompts of ``FOLDER/SUITE.jsonl`` with a reference for each turn, in
    their order (``StudyError`` if there is none)."""
    referenced = [
        prompt
        for suite in suites
        for prompt in read_prompts(folder / f"{suite}.jsonl")
        if len(prompt.references) == len(prompt.turns) and all(map(str.strip, prompt.references))
    ]
    if not referenced:
        raise StudyError("no prompt has a reference for each of its turns", where=folder)
    positions = range(len(referenced))
    chosen = generator(seed, "perplexity").sample(positions, min(count, len(referenced)))
    return [referenced[position] for position in sorted(chosen)]


def encode(
    prompts: Iterable[Prompt], tokenizer: Any, template: TemplateName, context: int
) -> list[Conversation]:
    """Tokenises prompts with their references as training would (``StudyError`` if none fits).
    Conversations longer than ``context`` are left out: cut, they would be others."""
    fitting = []
    for prompt in prompts:
        messages: list[templates.Message] = []
        for turn, reference in zip(prompt.turns, prompt.references, strict=True):
            messages.append({"role": "user", "content": turn})
            messages.append({"role": "assistant", "content": reference})
        ids, mask = templates.encode(tokenizer, template, messages)
        if len(ids) <= context:
            size = len("".join(prompt.references).encode())
            fitting.append(Conversation(f"{prompt.suite}/{prompt.id}", ids, mask, size))
    if not fitting:
        raise StudyError(f"no held-out conversation fits into {context} tokens")
    return fitting


@dataclass(frozen=True)
class Opinion:
    """Each answer token's negative log-probability, and the most probable token in its place;
    both have shape ``(tokens,)``."""

    nats: NDArray[np.float64]
    best: NDArray[np.int64]


def opinions(
    model: Any, conversations: Sequence[Conversation], batch_tokens: int, name: str = "model"
) -> list[Opinion]:
    """Reads all conversations, longest first, and returns the opinions in their order;
    ``batch_tokens`` include padding, but one conversation is always taken."""
    capacity = min(batch_tokens, max(1, LOGIT_VALUES // int(model.config.vocab_size)))
    found: dict[int, Opinion] = {}
    with Progress(f"opinions of {name}", len(conversations), "conversations") as progress:
        for batch in length_batches([len(item.ids) for item in conversations], capacity):
            read = _read(model, [conversations[position] for position in batch])
            found.update(zip(batch, read, strict=True))
            progress.update(len(batch))
    return [found[position] for position in range(len(conversations))]


def _read(model: Any, batch: Sequence[Conversation]) -> list[Opinion]:
    """Runs one batch, padded on the right, where causal attention never looks back from; logits are
    computed where an answer token is predicted: position ``t - 1`` predicts token ``t``."""
    rows = [torch.tensor(conversation.ids, device=model.device) for conversation in batch]
    ids = pad_sequence(rows, batch_first=True)
    real = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    masks = [torch.tensor(conversation.mask, device=model.device) for conversation in batch]
    lines, places = pad_sequence(masks, batch_first=True).nonzero(as_tuple=True)
    head = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda _, states: (states[0][lines, places - 1],))
    with hook, torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=real, use_cache=False).logits
        scores = torch.log_softmax(logits.float(), dim=-1)
        chosen = scores.gather(1, ids[lines, places].unsqueeze(1)).squeeze(1)
    counts = [sum(conversation.mask) for conversation in batch]
    split = (part.cpu().split(counts) for part in (-chosen.double(), scores.argmax(-1)))
    return [Opinion(*(part.numpy() for part in pair)) for pair in zip(*split, strict=True)]
