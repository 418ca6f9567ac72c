# bayling-study: `make help` lists the targets.

STUDY  ?= embedded
# nproc would take OMP_NUM_THREADS, the threads of one program, for the number of cores.
CORES  ?= $(shell env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || sysctl -n hw.ncpu)
CONFIG ?=
# A folder of config/profiles/: local, slurm, …
PROFILE ?= local
PROFILES := config/profiles
# For `make chat` and `make serve` (several, if you like): a system of the study; for `make plan`: the cluster that trains.
SYSTEM ?= tuned
PORT   ?= 8000
UI_PORT := $(if $(filter command environment,$(firstword $(origin PORT))),$(PORT),5000)
PLAN   ?=
# For `make play` and `make ranking`: the systems to compare; for the latter, how many conversations.
SYSTEMS ?= foundation tuned
ITEMS   ?= 60
# What builds environments, Python 3.11 or newer: the interpreter below the present one, if any.
PYTHON ?= $(firstword $(realpath $(STUDY_ENV)/bin/python) python3)
# A command that `make study` runs at its end, with the outcome in BAYLING_… variables, which
# are the shell's to expand and not make's.
NOTIFY ?=
QUOTED = '$(subst ','\'',$(value NOTIFY))'
# Options for installing torch, for example another index of its CPU or CUDA builds.
export TORCH_OPTIONS ?=
# The archive that `make bundle` writes.
BUNDLE ?= $(STUDY).tar
# The zip that `make share` writes.
SHARE ?= $(STUDY)-report.zip

STUDY_ENV := .venv/study
FILES     := $(if $(filter embedded,$(STUDY)),config/config.yaml,config/studies/$(STUDY).yaml) $(CONFIG)

# The environment's own folder, not the link to it: programs that run stay in theirs when the
# link changes. Asked for anew by each recipe, for `envs` may have built it.
FOUND_PATH := $(PATH)
export PATH = $(addsuffix /bin:,$(realpath $(STUDY_ENV)))$(FOUND_PATH)
export PYTHONPATH := $(abspath workflow)
# Compute jobs run without the hub; downloads switch it on for themselves.
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

# One run of a study at a time; what a killed run left behind is mended first (on a cluster
# its jobs may still run: `make resume` ends them).
# Where the results are is for the configuration to say; what is wrong in it is said here, first.
ASK = python -m bayling_study.commands.study --study-config $(FILES)
FOLDER = S=$$($(ASK) --folder) &&
RUN = $(ASK) $(if $(filter local,$(PROFILE)),,--keep-locks)
# One line a job (VERBOSE=1: all of Snakemake's words, which its log file has anyway).
LINES = $(if $(VERBOSE),,--logger lines)
OPTIONS = --configfile $(FILES) --profile $(PROFILES)/$(PROFILE) $(WHERE)
SNAKEMAKE = snakemake $(OPTIONS)
IN_LINES = -- $(LINES) $(OPTIONS)
NEW_ENOUGH = $(PYTHON) -S -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed; set PYTHON=")'
# What a profile cannot hold: this machine's cores, a scheduler of ours; the study's name in the names of its jobs.
WHERE = $(if $(filter local,$(PROFILE)),--cores $(CORES) --scheduler patient) $(if $(shell grep -lsE '^executor: *slurm *(#|$$)' $(PROFILES)/$(PROFILE)/config*.yaml),$(JOB_NAME))
JOB_NAME = --slurm-jobname-prefix bayling_$(subst .,-,$(STUDY))

.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## develop: this list
	@for group in run look cluster develop; do echo "$$group"; \
	awk -F ":.*## $$group: " '/^[a-z-]+:.*## / && NF > 1 {printf "  make %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST)); done
	@echo "  Variables: STUDY=$(STUDY)  CONFIG=more.yaml  CORES=$(CORES)  PYTHON=$(PYTHON)"

study: envs ## run: run the study to its report (STUDY=NAME for another one, VERBOSE=1, NOTIFY=command)
	@$(RUN) --summary $(IN_LINES); \
	status=$$?; $(if $(value NOTIFY),S=$$($(ASK) --folder 2> /dev/null); BAYLING_STUDY="$$S" BAYLING_STATUS=$$status \
	BAYLING_OUTCOME=$$([ $$status = 0 ] && echo finished || echo failed) BAYLING_REPORT="$$S/report/index.html" \
	sh -c $(QUOTED) || echo "NOTIFY: the command ended with exit status $$?" >&2;) exit $$status

replay: ## run: score all released outputs and compare with the published values
	@$(MAKE) --no-print-directory study STUDY=replay

# What did not run stands on the page too, so it is written whatever the run's end was.
rehearse: envs ## look: prove the whole study in small, before it costs anything (STUDY=NAME)
	@O=$$(python -m bayling_study.commands.rehearse --study-config $(FILES) --profile $(PROFILES)/$(PROFILE)) && \
	{ $(MAKE) --no-print-directory study FILES="$(FILES) $$O" PROFILES="$${O%/*}/profiles" CONFIG= NOTIFY=; status=$$?; \
	python -m bayling_study.commands.rehearse --study-config $(FILES) --page && exit $$status; }

plan: look ## look: what the study will cost: downloads, disk, memory, hours, jobs (PLAN="--gpus 8 --gpu-gib 80")
	@python -m bayling_study.commands.plan --study-config $(FILES) $(if $(filter local,$(PROFILE)),,--profile $(PROFILES)/$(PROFILE)) $(PLAN)

preflight: look ## cluster: check the place that PROFILE=slurm (or another) sends jobs to
	@python -m bayling_study.commands.preflight --study-config $(FILES) --profile $(PROFILES)/$(PROFILE)

status: look ## look: the progress of a study that runs here or elsewhere: jobs, training, queue (WATCH=10)
	@python -m bayling_study.commands.status --study-config $(FILES) $(if $(WATCH),--watch $(WATCH))

resume: look ## run: after Snakemake was killed: cancel the jobs that it left in the scheduler's queue, and continue
	@$(FOLDER) python -m bayling_study.commands.status.cancel --study $(STUDY) --profile $(PROFILES)/$(PROFILE) $(if $(filter yes,$(GONE)),--gone)
	@$(SNAKEMAKE) --unlock --quiet all
	@$(MAKE) --no-print-directory study

chat: look ## look: chat with a system of the study in the terminal (SYSTEM=NAME)
	@python -m bayling_study.commands.chat --study-config $(FILES) --system "$(SYSTEM)"

play: look ## look: talk to systems side by side and vote, on a page of http://127.0.0.1:8000 (SYSTEMS="foundation tuned")
	@python -m bayling_study.commands.play --study-config $(FILES) --systems $(SYSTEMS) --port $(PORT)

serve: look ## look: OpenAI-compatible server for systems on http://127.0.0.1:8000 (SYSTEM=NAME PORT=8000 CORS=yes)
	@python -m bayling_study.commands.serve --study-config $(FILES) --system $(SYSTEM) --port $(PORT) $(if $(CORS),--cors)

ranking: look ## look: a blind sheet on which people rank systems (SYSTEMS="foundation tuned" ITEMS=60)
	@$(FOLDER) python -m bayling_study.commands.ranking export --study "$$S" --systems $(SYSTEMS) --items $(ITEMS) --out "$$S/ranking"

publish: look ## run: a tuned system and its model card to a model hub (REPO=org/name DRY=yes BASE=org/name)
	@python -m bayling_study.commands.publish --study-config $(FILES) --system "$(SYSTEM)" --repo "$(REPO)" $(if $(BASE),--base "$(BASE)") $(if $(filter-out no,$(DRY)),--dry)

share: look ## look: one zip of the report with all that it links to (SHARE=file.zip)
	@$(FOLDER) python -m bayling_study.commands.share --study "$$S" --out "$(SHARE)"

fetch: envs ## run: download the study's sources only
	@$(RUN) $(IN_LINES) fetch

verify-sources: look ## look: ask each upstream what it serves now: what differs from the table (ONLY="id id")
	@python -m bayling_study.commands.sources --study-config $(FILES) --only $(ONLY)

bundle: envs ## cluster: pack the repository and the study's sources for a machine without a network
	@$(RUN) $(IN_LINES) fetch
	@python -m bayling_study.commands.bundle --study-config $(FILES) --out "$(BUNDLE)"

verify: ## cluster: compare an unpacked bundle with its list of hashes: damaged, missing and extra files
	@$(NEW_ENOUGH) && $(PYTHON) -SPB -m bayling_study.commands.bundle.verify .

dry-run: look ## look: list the jobs that a run would do
	@$(FOLDER) $(SNAKEMAKE) --dry-run --quiet rules

test: envs ## develop: run all tests, as many files at once as there are cores
	@OMP_WAIT_POLICY=passive python -m pytest -n $(CORES) --maxprocesses 8 --dist loadfile --no-loadscope-reorder

test-rehearsals: envs ## develop: rehearse all five full studies off line, from their upstreams' forms on loopback
	@python -m pytest tests/e2e/test_rehearsals_off_line.py -m ""

test-slurm: envs ## cluster: run the miniature study on a real SLURM cluster on this machine (root)
	@cd tests && python -m slurm $(if $(TREE),--tree "$(abspath $(TREE))")

test-htcondor: envs ## cluster: the same on a real HTCondor pool (root; mmdebstrap, or TREE=folder of Debian sid with condor)
	@cd tests && python -m clusters.htcondor $(if $(TREE),--tree "$(abspath $(TREE))")

test-gridengine: envs ## cluster: the same on a real Grid Engine (root; Debian 12)
	@cd tests && python -m clusters.gridengine

test-faults: envs ## develop: kill jobs, fill disks and damage files of whole workflows; ends with a table (about 50 minutes)
	@python -m pytest tests/faults tests/e2e/test_mlflow_server.py -m ""

findings: ## develop: run the scripts of findings/ again: do libraries still do what they say? (ONLY=name)
	@$(NEW_ENOUGH) && PYTHON=$(PYTHON) findings/run.sh $(ONLY)

lint: envs ## develop: ruff, mypy, snakefmt and snakemake --lint
	@ruff check . && ruff format --check . && mypy && snakefmt --check Snakefile workflow && snakemake --lint

ui: look ## look: the study's MLflow pages on http://127.0.0.1:5000 (PORT=5000; ALL=1: all studies in one store)
	@$(FOLDER) python -m bayling_study.commands.ui --study "$$S" --port $(UI_PORT) $(if $(ALL),--all)

why: look ## look: where a number comes from, verified (FILE=results/… or RUN=MLflow-id, VERIFY=no)
	@$(FOLDER) python -m bayling_study.commands.why $(if $(RUN),--study "$$S" --run "$(RUN)",$(if $(FILE),"$(FILE)")) $(if $(filter no,$(VERIFY)),--no-verify)

compare: look ## look: two studies or systems side by side (A=embedded:tuned B=results/other:tuned OUT=folder)
	@$(FOLDER) python -m bayling_study.commands.compare --results "$$(dirname "$$S")" $(if $(OUT),--out "$(OUT)") -- "$(A)" "$(B)"

track: look ## look: bring MLflow up to date with the study's run records
	@$(FOLDER) python -m bayling_study.shared.tracking --study "$$S"

pictures: look ## develop: README's pictures again, from the study's report and models (Chromium)
	@PYTHONPATH="$(PYTHONPATH):tests" python -m helpers.pictures --study-config $(FILES) --systems $(SYSTEMS) --out config/pictures

docs: envs ## develop: rewrite the generated schema and reference of the configuration
	@python -m bayling_study.config.document --write

clean: look ## run: remove the study's results (never resources/)
	@$(FOLDER) echo "rm -rf $$S" && rm -rf -- "$$S"

# Builds nothing where the locks are what is installed already; see envs/build.py.
envs: ## develop: build the environments in .venv, if they differ from their locks
	@$(NEW_ENOUGH) && $(PYTHON) envs/build.py study comet

look:
	@$(NEW_ENOUGH) && $(PYTHON) envs/build.py --look study

lock: look ## develop: rewrite envs/ from the packages that are installed in .venv
	@python envs/relock.py
