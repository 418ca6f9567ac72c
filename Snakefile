"""One study from download to report: System x suite -> score -> verdict.

The default is the embedded study (config/config.yaml). Another study:
    snakemake --cores all --configfile config/studies/NAME.yaml
"""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/repository.smk"


sys.path.insert(0, str(repository(workflow.current_basedir) / "workflow"))

from bayling_study.dag import htcondor
from bayling_study.dag.rules import Dag

STUDY = Dag.open(workflow, config)
S = str(STUDY.layout.study)


# With `--sdm apptainer`; without, rules run in the ready-made environments.
container: STUDY.config.environments.container


report: "workflow/report/workflow.rst"


wildcard_constraints:
    source="[a-z0-9._-]+",
    mixture="[a-z0-9._-]+",
    suite="[a-z0-9._-]+",
    system="[a-z0-9._-]+",


include: "workflow/rules/common.smk"
include: "workflow/rules/download.smk"
include: "workflow/rules/foundation.smk"
include: "workflow/rules/corpora.smk"
include: "workflow/rules/prompts.smk"
include: "workflow/rules/synthesis.smk"
include: "workflow/rules/masks.smk"
include: "workflow/rules/tuning.smk"
include: "workflow/rules/deltas.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/perplexity.smk"
include: "workflow/rules/probing.smk"
include: "workflow/rules/generation.smk"
include: "workflow/rules/harness.smk"
include: "workflow/rules/judging.smk"
include: "workflow/rules/scoring.smk"
include: "workflow/rules/comet.smk"
include: "workflow/rules/significance.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/track.smk"


# Where Snakemake itself runs: there the network and the tracking server are.
onstart:
    STUDY.start()


rule study:
    """Everything: report and tracking of the configured study."""
    default_target: True
    input:
        f"{S}/report/index.html",
        f"{S}/runs/mlflow.json",
        STUDY.layout.deltas(),
    localrule: True


rule fetch:
    """Downloads only."""
    input:
        STUDY.layout.manifests(*STUDY.layout.used_sources()),
    localrule: True


htcondor.complete(workflow.rules, STUDY.config.study.name)
