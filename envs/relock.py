"""Rewrites the locks and conda files from what is installed in ``.venv``.

``NAME.lock`` pins every package with the hashes of all its files, for any
platform; ``NAME.yaml`` names the same versions for ``--sdm conda``. Torch is
apart (``torch.txt``): its build depends on the machine. Needs ``uv``, which
only asks the index for hashes and resolves nothing.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

ENVS = Path(__file__).parent
APART = {"torch", "uv", "pip", "triton"}
PYTHON = "3.11"


def installed(environment: str) -> list[str]:
    """Returns ``name==version`` of every package of an environment, sorted by name."""
    python = ENVS.parent / ".venv" / environment / "bin" / "python"
    text = subprocess.run(
        [python, "-m", "pip", "freeze", "--all"], check=True, capture_output=True, text=True
    ).stdout
    pins = [line for line in text.splitlines() if "==" in line]
    kept = [pin for pin in pins if pin.split("==")[0].lower() not in APART and "nvidia" not in pin]
    return sorted(kept, key=str.lower)


def write_lock(environment: str, pins: list[str]) -> None:
    """Writes ``ENVIRONMENT.lock`` with hashes."""
    command = ["uv", "pip", "compile", "--quiet", "--no-deps", "--universal", "--generate-hashes"]
    command += ["--no-annotate", "--no-header", "--python-version", PYTHON, "-"]
    result = subprocess.run(
        command, input="\n".join(pins), check=True, capture_output=True, text=True
    )
    (ENVS / f"{environment}.lock").write_text(result.stdout, encoding="utf-8")


def write_conda(environment: str, pins: list[str]) -> None:
    """Writes ``ENVIRONMENT.yaml`` with the same versions."""
    torch = (ENVS / "torch.txt").read_text(encoding="utf-8").split()
    lines = ["channels:", "  - conda-forge", "  - nodefaults", "dependencies:"]
    lines += [f"  - python ={PYTHON}", "  - pip", "  - gxx_linux-64", "  - pip:"]
    lines += [f"      - {pin}" for pin in sorted([*pins, *torch], key=str.lower)]
    (ENVS / f"{environment}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Rewrites both environments' files."""
    for environment in ("study", "comet"):
        pins = installed(environment)
        write_lock(environment, pins)
        write_conda(environment, pins)
        print(f"{environment}: {len(pins)} packages")


if __name__ == "__main__":
    main()
