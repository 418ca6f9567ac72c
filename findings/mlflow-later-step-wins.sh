#!/usr/bin/env bash
# mlflow-skinny 3.17.2 (sqlite store): of two writers the one with the larger step is believed.
# One would guess: run.data.metrics shows the value that was logged last, and a run that has
# ended takes no more values.
# What happens: the largest step wins, then the latest timestamp, whoever wrote last: after a
# return to an earlier checkpoint the tables show the lost branch until it is overtaken.
# A FINISHED run takes values as before, and stays FINISHED.
# Output seen: loss 1.0 of step 10, though 5.0 of step 3 was logged after it; late 2.0.
. "$(dirname "$0")/common.sh"
packages mlflow-skinny==3.17.2 sqlalchemy==2.0.58 alembic==1.20.1 pandas==3.1.1
export MLFLOW_DISABLE_TELEMETRY=true
python - <<"END"
from mlflow import MlflowClient

first, second = MlflowClient("sqlite:///store.db"), MlflowClient("sqlite:///store.db")
run = first.create_run(first.create_experiment("x")).info.run_id
first.log_metric(run, "loss", 1.0, step=10)
second.log_metric(run, "loss", 5.0, step=3)
first.set_terminated(run)
second.log_metric(run, "late", 2.0)
seen = first.get_run(run)
print(seen.data.metrics, seen.info.status)
assert seen.data.metrics == {"loss": 1.0, "late": 2.0}
assert seen.info.status == "FINISHED"
END
