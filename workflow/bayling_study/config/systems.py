"""Section ``systems``: what answers prompts."""

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, StringConstraints, field_validator

from bayling_study.config.answering import Answering
from bayling_study.config.base import Name, Section
from bayling_study.config.combined import MergedSystem, RoutedSystem

TemplateName = Literal["bayling", "bayling-3", "foundation"]
"""Conversation template, always named and never guessed from a path."""


class Answers(Section):
    """A system that is asked, here or behind a server."""

    answering: Answering | None = Field(default=None, exclude_if=lambda value: value is None)
    """How it is asked and which part of its answers counts (``{keep: label}``); none for as it
    is; an 8-bit export is asked as its base."""


class Vocabulary(Section):
    """New tokens for languages that a model's tokenizer cuts small, after Bailong (arXiv
    2404.00862). Byte-level BPE only. Tokens per step then hold more text than without them."""

    tokens: int = Field(ge=0)
    """Number of new tokens (Bailong: 27,241); 0 leaves every byte of the checkpoint."""
    languages: list[str] = Field(min_length=1)
    """Languages of ``corpora.parallel`` on whose training text they are learnt."""
    start: Literal["mean", "random", "similarity"] = "similarity"
    """What a new token's vectors start as: the ``mean`` of those of the old tokens that it is made
    of; that mean weighted by their ``similarity``, a form of Bailong's zip-tie, whose formula is
    not public; or ``random`` noise as wide as the old vectors are."""


class FoundationSystem(Answers):
    """A model before tuning."""

    kind: Literal["foundation"]
    source: Name
    """Id of a source: of a row of the table, or of an entry of ``sources``; or the model's own
    place, ``/path/of/it`` or ``org/name@revision`` on the hub."""
    template: TemplateName = "foundation"
    """How conversations become text: ``foundation`` is the chat template of the model's own
    tokenizer, ``bayling`` and ``bayling-3`` those of the papers' models."""
    vocabulary: Vocabulary | None = Field(default=None, exclude_if=lambda value: value is None)
    """New tokens for some languages; none for the model as it is. An adapter that is tuned on it
    needs ``embeddings: true``."""


class TunedSystem(Answers):
    """A foundation tuned on a mixture."""

    kind: Literal["tuned"]
    base: Name
    """Name of a foundation or delta system; or of another tuned one, whose weights this training
    goes on from: a method of several stages."""
    mixture: Name
    """Name of a mixture of the section ``synthesis``."""
    tuning: dict[str, Any] = {}
    """Keys of the section ``tuning`` that differ for this system (``{learning_rate: 2.0e-4,
    adapter: {kind: lora}}``)."""
    seed: int = Field(default=1, gt=0)
    """Which training of several alike this is: another order of the conversations, and another
    random start where there is one. 1 is the study's own seed."""
    evaluated: bool = True
    """Whether it answers the suites too; false for a stage on the way to another system."""
    delta: bool = False
    """Also writes the result as its difference to the base, as BayLing was released, for bases
    whose licence forbids passing on their weights: ``results/STUDY/deltas/made/SYSTEM``."""
    template: TemplateName = "bayling"
    """How conversations become text, in training and in generation."""


class DeltaSystem(Answers):
    """A model that was released as the difference to its base, such as BayLing-7B and -13B."""

    kind: Literal["delta"]
    base: Name
    """Name of a foundation system: the model that it was tuned from."""
    source: Name
    """Id of the source that holds the difference (``bayling-7b-diff``)."""
    template: TemplateName = "bayling"
    """How conversations become text."""


class Int8System(Answers):
    """The 8-bit export of another system."""

    kind: Literal["int8"]
    base: Name
    """Name of a tuned, merged, delta or foundation system."""
    format: Literal["groupwise", "bitsandbytes", "gguf"] = "groupwise"
    """``groupwise`` is the paper's scheme, loaded by this project; ``bitsandbytes`` is LLM.int8,
    which transformers loads by itself; ``gguf`` is Q8_0 for llama.cpp (Llama models only)."""


class PrecisionSystem(Section):
    """Another system computed in another precision, which tells how many of its answers, and which
    scores, rounding changes. Checkpoint, template and ``answering`` are that system's."""

    kind: Literal["precision"]
    base: Name
    """Name of a tuned, merged, delta, foundation or int8 system that answers the suites; not of
    the format ``bitsandbytes``, whose products have 8 bits in any precision."""
    precision: Literal["bf16", "fp32", "fp16"]
    """Compute precision of the model, another one than ``generation.precision``."""


class PublishedSystem(Section):
    """Outputs that somebody released; only scored, never run."""

    kind: Literal["published"]
    source: Name
    """Id of the source that holds the outputs."""
    folders: dict[
        Literal["wmt22", "constrained", "exams", "reviews", "file", "flores", "translation"], str
    ]
    """Suite kind to the folder, inside the source, that holds this system's outputs; a
    kind that is not named was never released for it. Of the last three a folder holds plain text,
    ``zh-en.txt`` with one line per segment in the order of the suite; ``{suite}`` in a folder's
    name stands for the suite's. Folder names differ in the
    release (``vicuna-13b-1.1``, ``vicuna-13B-1.1``), so each is written out."""


OWN_KEYS = ("model", "messages", "max_tokens", "max_completion_tokens", "n", "stream")
"""Keys of a request that no configuration adds: the study's own, and other forms of answers."""
DECODING_KEYS = ("temperature", "seed")
"""Keys of a request that a suite's decoding decides, and that a server may refuse."""


class EndpointSystem(Answers):
    """A model behind an OpenAI-compatible server, local or remote. The server applies its own
    conversation template. Answers, and requests that failed, are kept on disk: a job that is
    started again asks only what is missing, and its budgets count what was spent before."""

    kind: Literal["endpoint"]
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$")]
    """Base address of the interface, such as ``http://127.0.0.1:8000/v1``; no user, password,
    or query, for it is recorded and shown."""
    model: str = Field(min_length=1)
    """The model's name on the server."""
    key_env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of the environment variable that holds the key; none for a server without keys.
    The key itself is never written anywhere."""
    limit_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The key of a request that limits an answer's tokens: newer models of OpenAI refuse
    ``max_tokens``, other servers know nothing else. Reasoning counts as part of an answer."""
    extra_body: dict[str, JsonValue] = {}
    """Keys added to each request (``{reasoning_effort: low}``, ``{chat_template_kwargs:
    {enable_thinking: false}}``). ``temperature: null`` and ``seed: null`` leave out what a model
    refuses, which then decodes as it likes."""
    evaluated: bool = True
    """Whether it answers the suites too; false for a server that only judges or teaches."""
    parallel: int = Field(default=4, gt=0)
    """Requests in flight at once."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Requests per minute of one job; none sets no limit."""
    request_budget: int | None = Field(default=None, gt=0)
    """Requests that one job may send, failed ones included; none sets no limit."""
    token_budget: int | None = Field(default=None, gt=0)
    """Tokens that one job may spend, questions and answers together; none sets no limit. A
    request that could exceed it is not sent."""
    timeout: float = Field(default=180.0, gt=0)
    """Seconds that one answer may take."""
    retries: int = Field(default=6, ge=0)
    """Retries of a request that failed (busy or broken server, no connection, timeout)."""
    backoff: float = Field(default=1.0, gt=0)
    """Seconds before the first retry, doubled each time; a server's ``Retry-After`` takes
    precedence."""

    @field_validator("extra_body")
    @classmethod
    def _keep_what_the_study_says(cls, body: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Refuses keys that the study itself sends, or whose answers could not be read."""
        own = [key for key in body if key in OWN_KEYS]
        own += [key for key in DECODING_KEYS if body.get(key) is not None]
        if own:
            raise ValueError(
                f"{', '.join(own)} cannot be set here: models, messages, limits and decoding are "
                "keys of their own (model, limit_key, a suite's decoding); temperature and seed "
                "can only be left out, by null"
            )
        return body


WEIGHTED_KINDS = ("foundation", "delta", "tuned", "merged")
"""Kinds of system that can be tuned on or exported."""
ASKED_KINDS = ("endpoint", "int8", *WEIGHTED_KINDS)
"""Kinds of system that can teach, translate, judge, or answer for a routed one."""
OtherForm = Int8System | PrecisionSystem
"""A system that is another one in another form; it is compared with that one, too."""
Elsewhere = PublishedSystem | EndpointSystem
Combined = MergedSystem | RoutedSystem
System = Annotated[
    FoundationSystem | TunedSystem | OtherForm | DeltaSystem | Elsewhere | Combined,
    Field(discriminator="kind"),
]
