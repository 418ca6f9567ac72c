"""Lets a suite's judge compare one system's answers with the baseline's.

Writes ``OUT``: one review per question and order. Reviews that have come are kept in
WORK: a job that was killed, or whose budget ended, asks only for what is missing.
"""

import signal
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bayling_study.config import StudyConfig, load_settings
from bayling_study.config.suites import JudgedSuite
from bayling_study.config.systems import EndpointSystem
from bayling_study.core import cli, records
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_json, sha256_path
from bayling_study.core.lookup import look_up_kind
from bayling_study.core.records import Hypothesis, Prompt
from bayling_study.shared.endpoint import Endpoint
from bayling_study.shared.endpoint.local import served
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.judging.reviews import PairwisePrompt, Review, ask, pairs, write_reviews

COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    operations=cli.OPERATIONS,
    suite=cli.option("name of the suite in the config", required=True),
    system=cli.option("system under test", required=True),
    prompts=cli.PROMPTS,
    generation=cli.GENERATION,
    checkpoint=cli.path("folder of a judge that is run here", required=False),
    work=cli.path("folder of the reviews so far"),
    out=cli.path("review file to write"),
)


def main() -> None:
    """Judges what the command line asks for."""
    options = COMMAND_LINE.parse_args()
    sections = "study", "systems", "suites"
    config = load_settings(options.settings, *sections, operations=options.operations)
    suite = look_up_kind(JudgedSuite, "judged suite", options.suite, config.suites, "--suite")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(cli.EXIT_INTERRUPTED))
    name = f"{options.suite}-{options.system}"
    with run_record(options.record, "judging", name, config.study.name, options.code) as run:
        run.parameters({"judge": suite.judge, "baseline": suite.baseline})
        path = options.prompts / f"{options.suite}.jsonl"
        run.input("prompts", path)
        for system in (options.system, suite.baseline):
            run.input(f"generation/{system}", options.generation / system / path.name)
        asked = _pairs(options, suite, records.read_prompts(path))
        with _judge(config, suite, options) as endpoint:
            seed = config.study.seed
            reviews = ask(endpoint, asked, suite.judge_decoding, suite.attempts, seed)
            spent = endpoint.spent
            provenance = sha256_json([endpoint.identity, suite.model_dump(mode="json"), seed])
        write_reviews(options.out, reviews, provenance[:16])
        run.metrics({**spent, **_counts(reviews)})
        run.output("reviews", options.out)


def _pairs(options: Namespace, suite: JudgedSuite, prompts: list[Prompt]) -> list[PairwisePrompt]:
    def answers(system: str) -> dict[str, Hypothesis]:
        path = options.generation / system / f"{options.suite}.jsonl"
        records.check_owner(path.parent, system)
        return {row.id: row for row in records.read_hypotheses(path, prompts)}

    return pairs(prompts, answers(options.system), answers(suite.baseline), suite.judge_prompt)


@contextmanager
def _judge(config: StudyConfig, suite: JudgedSuite, options: Namespace) -> Iterator[Endpoint]:
    """Yields the judge, started here unless it is a server already."""
    section = config.systems[suite.judge]
    where, cache = f"systems.{suite.judge}", options.work / "reviews.jsonl"
    with ExitStack() as stack:
        identity = ""
        if not isinstance(section, EndpointSystem):
            if options.checkpoint is None:
                raise StudyError(f"{suite.judge} has to be run", fix="--checkpoint DIR")
            identity = sha256_path(options.checkpoint)
            section = stack.enter_context(served(options.checkpoint, options.work / "server.log"))
        yield stack.enter_context(Endpoint(section, cache, where, identity))


def _counts(reviews: list[Review]) -> dict[str, float]:
    thought = [review for review in reviews if review.reasoning]
    return {
        "reviews": len(reviews),
        "without_scores": sum(not review.valid for review in reviews),
        "attempts": sum(review.attempts for review in reviews),
        "truncated": sum(review.finish == "length" for review in reviews),
        "with_reasoning": len(thought),
        "unfinished_reasoning": sum(not review.text for review in thought),
    }


if __name__ == "__main__":
    cli.run_program(main)
