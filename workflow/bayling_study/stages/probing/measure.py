"""The texts that a model reads, their vectors after every layer, and what these tell. Texts are
drawn by the study's seed alone: all systems read the same ones."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from bayling_study.core import parquet
from bayling_study.core.batches import length_batches
from bayling_study.core.errors import StudyError
from bayling_study.core.progress import Progress
from bayling_study.core.seeds import generator
from bayling_study.shared.capitals import CAPITALS, is_held_out, names
from bayling_study.shared.models import Loaded, pooled_tokens

FEWEST = 80  # countries, of 120, that CLDR must name in a language that is probed
Vectors = NDArray[np.float64]
"""[layers + 1, texts, width]: the embeddings, then the output of each block, the last one normed
as the output layer reads it."""
Curves = dict[str, list[float]]
"""Name to a value for each layer."""


def aligned(path: Path, languages: list[str], count: int, seed: int) -> dict[str, list[list[str]]]:
    """Draws at most ``count`` test segments of each ``PIVOT-LANGUAGE`` from ``parallel.parquet``,
    every text once (``StudyError`` if a language has fewer than two)."""
    found: dict[str, dict[str, str]] = {}
    for row in parquet.rows(path, ["lang_a", "lang_b", "text_a", "text_b", "split"]):
        if row["split"] == "test" and row["lang_b"] in languages:
            pairs = found.setdefault(f"{row['lang_a']}-{row['lang_b']}", {})
            pairs.setdefault(row["text_a"], row["text_b"])
    drawn: dict[str, list[list[str]]] = {}
    for name, pairs in sorted(found.items()):
        once = sorted([a, b] for b, a in {b: a for a, b in pairs.items()}.items())
        drawn[name] = generator(seed, "probing", name).sample(once, min(count, len(once)))
    if few := {*languages} - {n.partition("-")[2] for n, pairs in drawn.items() if len(pairs) > 1}:
        what, fix = f"fewer than two test segments in {min(few)}", "corpora.split.test_share: 0.1"
        raise StudyError(what, where="probing.languages", fix=f"{fix}, or other languages")
    return drawn


def statements(languages: Sequence[str], seed: int) -> dict[str, dict[str, list[str]]]:
    """Returns by language and side (``train``, ``test``) statements such as ``Germany: Paris``,
    first the true ones, then as many false ones; a language of too few names has none. Countries
    are split as in the suite ``capitals`` and the recipe ``facts``. Of its side, every country and
    every city is in one true and one false statement: neither gives the answer away."""
    known = {one: own for one in languages if len(own := names(one)) >= FEWEST}
    found: dict[str, dict[str, list[str]]] = {one: {} for one in known}
    for side, held_out in (("train", False), ("test", True)):
        shared = [code for code in CAPITALS if all(code in own for own in known.values())]
        codes = [code for code in shared if is_held_out(code) == held_out]
        generator(seed, "probing", side).shuffle(codes)
        both = [*zip(codes, codes, strict=True), *pairwise([*codes, codes[0]])]
        for one, own in known.items():
            found[one][side] = [f"{own[country][0]}: {own[other][1]}" for country, other in both]
    return found


def fits(loaded: Loaded, text: str) -> bool:
    """Tells whether a text is not longer than the context, and has a token for the pool."""
    ids, pooled = pooled_tokens(loaded.tokenizer, text)
    return len(ids) <= loaded.context and bool(pooled.any())


def vectors(loaded: Loaded, batch_tokens: int, texts: Sequence[str]) -> Vectors:
    """Returns the means over the texts' tokens without the first, after every layer (``StudyError``
    if they are not numbers). ``batch_tokens`` include padding. The first token is an attention
    sink: after layer 15 of SmolLM2-135M its norm is 23,875, that of others 161, so that a mean with
    it would say little else."""
    tokens = [pooled_tokens(loaded.tokenizer, text) for text in texts]
    found: dict[int, torch.Tensor] = {}
    with Progress("hidden states", len(texts), "texts") as progress:
        for batch in length_batches([len(ids) for ids, _ in tokens], batch_tokens):
            rows = [torch.from_numpy(tokens[place][0]).long() for place in batch]
            ids = pad_sequence(rows, batch_first=True)  # on the right: nothing looks back at it
            options = {"use_cache": False, "output_hidden_states": True}
            with torch.inference_mode():
                output = loaded.model.base_model(ids.to(loaded.model.device), **options)
            for row, place in enumerate(batch):
                pooled = torch.from_numpy(tokens[place][1].nonzero()[0])
                states = [layer[row, pooled].float().mean(dim=0) for layer in output.hidden_states]
                found[place] = torch.stack(states).double().cpu()
            progress.update(len(batch))
    result: Vectors = torch.stack([found[place] for place in range(len(texts))], dim=1).numpy()
    if not np.isfinite(result).all():
        fix = "generation: {precision: bf16}   (fp16 overflows in some models)"
        raise StudyError("the hidden states are not numbers", fix=fix)
    return result


def retrieval(a: Vectors, b: Vectors) -> list[float]:
    """Returns for each layer the share of texts whose nearest text of the other language, by
    cosine, is their translation: the mean of both directions. Chance is 1 in as many texts."""
    a, b = (side / np.linalg.norm(side, axis=-1, keepdims=True) for side in (a, b))
    scores, places = a @ b.swapaxes(1, 2), np.arange(a.shape[1])
    hits = [(scores.argmax(axis=axis) == places).mean(axis=1) for axis in (1, 2)]
    return [float(share) for share in np.mean(hits, axis=0)]


def probes(states: Mapping[str, Mapping[str, Vectors]]) -> tuple[Curves, Curves]:
    """Returns curves of linear probes of ``states``, by language and side, true texts first: least
    squares with a ridge of the mean variance, our choice. The first are accuracies on ``test``,
    ``zh > de`` of a probe trained in Chinese and tested in German; the others cosines of two
    languages' probes. Every language is centred by its own training texts, whose truth that does
    not use: what transfers is the direction alone."""
    middle = {one: own["train"].mean(axis=1, keepdims=True) for one, own in states.items()}
    found: dict[str, Vectors] = {}
    accuracy: Curves = {}
    for a, sides in states.items():
        train = sides["train"] - middle[a]
        gram, truth = train @ train.swapaxes(1, 2), np.ones((1, train.shape[1], 1))
        truth[:, train.shape[1] // 2 :] = -1
        ridge = np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(len(truth[0]))
        weights = np.linalg.solve(gram + ridge / len(truth[0]), truth).swapaxes(1, 2) @ train
        found[a] = weights[:, 0] / np.linalg.norm(weights[:, 0], axis=1, keepdims=True)
        for b, own in states.items():
            said = np.einsum("lnw,lw->ln", own["test"] - middle[b], found[a]) > 0
            right = said == (np.arange(said.shape[1]) < said.shape[1] // 2)
            accuracy[f"{a} > {b}"] = right.mean(axis=1).tolist()
    pairs = [(a, b) for a in found for b in found if a < b]
    return accuracy, {f"{a}, {b}": (found[a] * found[b]).sum(axis=1).tolist() for a, b in pairs}
