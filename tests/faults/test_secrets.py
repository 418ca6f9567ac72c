"""Secrets of the machine and of the user: no file that a run leaves, and no output, holds one."""

import pytest
import yaml

from helpers.sandbox import NAME

pytestmark = pytest.mark.long
SECRET = "hunter2hunter2hunter2"
ENVIRONMENT = {
    "HF_TOKEN": f"hf_{SECRET}",
    "OPENAI_API_KEY": f"sk-{SECRET}",
    "MLFLOW_TRACKING_USERNAME": "me",
    "MLFLOW_TRACKING_PASSWORD": SECRET,
    "MLFLOW_TRACKING_TOKEN": SECRET,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "PGPASSWORD": SECRET,
    "PIP_INDEX_URL": f"https://me:{SECRET}@index.example.org/simple",
    "https_proxy": f"http://me:{SECRET}@127.0.0.1:9",
    "no_proxy": "",
    "GIT_ASKPASS": f"/bin/{SECRET}",
    "KAGGLE_KEY": SECRET,
}
WRITTEN = {
    "a mirror": ("download", "mirrors", {"https://a.org/": f"https://me:{SECRET}@b.org/"}),
    "a tracking store": ("tracking", "uri", f"postgresql://me:{SECRET}@db/mlflow"),
    "a signed address": ("download", "mirrors", {"https://a.org/": f"https://b.org/?sig={SECRET}"}),
}


def holders(sandbox):
    """Returns the files below a study's folder that hold the secret, but for its config."""
    files = [path for path in sandbox.root.rglob("*") if path.is_file() and not path.is_symlink()]
    own = sandbox.root / f"{NAME}.yaml"
    return [path for path in files if path != own and SECRET.encode() in path.read_bytes()]


@pytest.mark.fault("secrets in twelve variables of the environment")
def test_a_run_writes_and_prints_no_secret_of_the_environment(sandbox):
    for stage in ("prompts", "generation", "scoring", "report"):
        sandbox.drop(stage)
    status, output = sandbox.run(**ENVIRONMENT)
    assert status == 0, output[-3000:]
    assert (sandbox.study / "mlflow.db").is_file()
    assert SECRET not in output
    assert holders(sandbox) == []


@pytest.mark.fault("a password in the configuration of {place}")
@pytest.mark.parametrize("place", WRITTEN)
def test_a_password_in_the_configuration_starts_nothing(sandbox, place):
    section, key, value = WRITTEN[place]
    path = sandbox.root / f"{NAME}.yaml"
    config = yaml.safe_load(path.read_text())
    config.setdefault(section, {})[key] = value
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    sandbox.drop("report")
    status, output = sandbox.run()
    assert status != 0
    assert "it carries a password or token" in output, output[-3000:]
    assert SECRET not in output
    assert holders(sandbox) == []
