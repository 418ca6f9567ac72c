"""bayling-study: rerun the BayLing studies from download to report.

Six floors; imports run down this list only, and no stage imports another:

``core``      what knows nothing of a study: errors, files, records, seeds, text, languages
``config``    the configuration: one model per section, its checks, the generated reference
``shared``    libraries of several stages: sources, templates, checkpoints, metrics, tracking
``stages``    the jobs, one folder each (below)
``dag``       what the Snakefile asks: paths, settings files, profiles, devices
``commands``  what people type: plan, preflight, status, chat, serve, why, compare, bundle …

The stages, each a program (``python -m bayling_study.stages.STAGE --help``) that reads
files and writes files; the package knows nothing of Snakemake:

``download``      fetches and verifies a source
``foundation``    makes a base model in the hub's format
``corpora``       reads, cleans and splits text: ``cleaning`` tells why a segment is rejected
``prompts``       makes the test sets, one builder per kind of suite
``synthesis``     makes the training sets: ``gate`` tells why a sample is rejected
``masks``         encodes a training set and audits its loss mask
``tuning``        trains: ``worker`` sets each step's learning rate, by ``schedule``
``deltas``        writes a model as the difference to its base, and back
``export``        writes 8-bit files
``perplexity``    measures what 8 bits cost
``probing``       measures what hidden states hold
``generation``    has a system answer prompts
``harness``       has it answer multiple-choice questions, by likelihood
``judging``       has a judge compare answers
``scoring``       turns answers into numbers with intervals (formulas in ``shared.metrics``)
``comet``         COMET scores, and the small model of the embedded study
``significance``  tests the differences between systems
``report``        the page, its tables and figures, the verdicts
"""

__version__ = "0.2.0"
