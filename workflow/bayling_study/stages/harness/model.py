"""A loaded system as a model of lm-evaluation-harness, but for three things: what texts share is
read once (``likelihoods.py``); a chat is written in the study's templates, which released BayLing
tokenizers lack; a question's text never becomes a control token, as in generation."""

from typing import Any

from lm_eval.models.huggingface import HFLM
from transformers import DynamicCache

from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.systems import TemplateName
from bayling_study.core.errors import StudyError
from bayling_study.core.progress import Progress
from bayling_study.shared import templates
from bayling_study.shared.models import Loaded
from bayling_study.shared.templates.encoding import span_ids, spans_of
from bayling_study.shared.templates.spans import Span
from bayling_study.stages.harness.likelihoods import Continuation, Examination

Request = tuple[tuple[str, str], list[int], list[int]]
"""A request of the harness: (context, continuation) as texts, then as token ids."""

CUT, SPECIAL = "\ufdd0", "\ufdd1"
"""What parts a chat's spans in the string that the harness handles, and what begins a special
one: code points that Unicode leaves to programs and that no text may hold."""


class StudyModel(HFLM):  # type: ignore[misc]
    """A system that the harness can ask; ``section`` limits batches, ``template`` is for chats."""

    def __init__(self, loaded: Loaded, template: TemplateName, section: GenerationSection) -> None:
        super().__init__(
            pretrained=loaded.model,
            tokenizer=loaded.tokenizer,
            backend="causal",
            max_length=loaded.context,
            batch_size=1,
            device=str(loaded.model.device),
            softmax_dtype="float32",  # of models that are read text by text, as of others
        )
        self._template = template
        self._limits = section
        self.task = ""
        self.cut: dict[tuple[str, str], int] = {}
        """Tokens that the harness cut from the front of a request's texts to fit the context."""

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Returns a chat in the system's template, up to where its answer begins. The harness
        appends a choice to it and tokenises the whole, so the string keeps where spans end and
        which are special. A message with a code point that says so is a ``StudyError``."""
        messages: list[templates.Message] = [
            {"role": turn["role"], "content": turn["content"]} for turn in chat_history
        ]
        if any(mark in turn["content"] for turn in messages for mark in (CUT, SPECIAL)):
            what = "a question holds U+FDD0 or U+FDD1, which are no characters"
            raise StudyError(what, where=self.task)
        try:
            spans = spans_of(self._template, messages, self.tokenizer)
        except StudyError as error:
            where = f"{self.task or 'harness'}: {messages[-1]['content'][:60]!r}"
            raise StudyError(error.what, where=where, fix=error.fix) from error
        parts = [f"{SPECIAL}{span.text}{CUT}" if span.special else span.text for span in spans]
        return CUT.join(parts)

    def tok_encode(
        self,
        string: str,
        add_special_tokens: bool | None = None,
        left_truncate_len: int | None = None,
        **kwargs: Any,
    ) -> list[int]:
        """Returns a text's ids; only what the chat's template wrote becomes control tokens."""
        if CUT in string:
            parts = [part for part in string.split(CUT) if part]
            spans = [Span(part.removeprefix(SPECIAL), part.startswith(SPECIAL)) for part in parts]
            ids = span_ids(self.tokenizer, self._template, spans)[0]
        else:
            added = {} if add_special_tokens is None else {"add_special_tokens": add_special_tokens}
            ids = list(self.tokenizer(string, split_special_tokens=True, **added)["input_ids"])
        return ids[-left_truncate_len:] if left_truncate_len else ids

    def _loglikelihood_tokens(
        self, requests: list[Request], disable_tqdm: bool = False, override_bs: int | None = None
    ) -> list[tuple[float, bool]]:
        """Scores continuations; the results are in the order of the requests (``StudyError`` if a
        choice has no token, or more than the model can read)."""
        most = self.max_length + 1  # the last token is only predicted
        sizes = [(texts, len(asked) + len(choice)) for texts, asked, choice in requests]
        self.cut |= {texts: size - most for texts, size in sizes if size > most}
        if any(not 0 < len(choice) < most for *_, choice in requests):
            what = f"a choice has no token, or more than the {self.max_length} of the context"
            raise StudyError(what, where=self.task)
        if any(DynamicCache(config=self.model.config).is_linear):  # what it has read has no places
            longest = max(min(size, most) for _, size in sizes)
            rows = max(1, self._limits.batch_tokens // longest)
            self.batch_size_per_gpu = min(rows, self._limits.max_batch)
            return list(super()._loglikelihood_tokens(requests, disable_tqdm=True))
        asked = [Continuation((text + choice)[-most:], len(choice)) for _, text, choice in requests]
        examination = Examination(self.model, asked, self._limits)
        with Progress(self.task, len(requests), "choices") as progress:
            examination.run(progress)
        return list(zip(examination.totals, examination.greedy, strict=True))
