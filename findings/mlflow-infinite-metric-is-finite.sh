#!/usr/bin/env bash
# mlflow-skinny 3.17.2 (sqlite store): an infinite metric comes back as a finite number.
# One would guess: log_metric(inf) gives inf back, or raises; NaN and inf are treated alike.
# What happens: NaN stays NaN, but inf becomes 1.797e308, the largest float: a run that diverged
# passes math.isfinite and is found by `metrics.loss < 1e309` as any other.
# Output seen: {'inf': 1.7976931348623157e+308, 'nan': nan}.
. "$(dirname "$0")/common.sh"
packages mlflow-skinny==3.17.2 sqlalchemy==2.0.58 alembic==1.20.1 pandas==3.1.1
export MLFLOW_DISABLE_TELEMETRY=true
python - <<"END"
import math
import sys

from mlflow import MlflowClient

client = MlflowClient("sqlite:///store.db")
run = client.create_run(client.create_experiment("x")).info.run_id
client.log_metric(run, "inf", math.inf)
client.log_metric(run, "nan", math.nan)
found = client.get_run(run).data.metrics
print(found)
assert found["inf"] == sys.float_info.max and math.isfinite(found["inf"])
assert math.isnan(found["nan"])
END
