"""Whether an interpreter's packages import and its compilers compile: tried, not looked up."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from typing import Any

from bayling_study.config.model import StudyConfig
from bayling_study.config.systems import Int8System, TunedSystem
from bayling_study.config.tuning import TuningSection

PACKAGES = ("torch", "transformers", "deepspeed", "datasets", "pyarrow", "sacrebleu", "mlflow")
IMPORT_SECONDS = 300.0
COMPILE_SECONDS = 60.0
IMPORTS = """
import importlib, sys
for name in sys.argv[1:]:
    print("begin", name, flush=True)
    try:
        importlib.import_module(name)
    except Exception as error:
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        print("broken", name, text, flush=True)
print("end", flush=True)
"""
"""Run by an interpreter of its own: a library made for another processor kills who loads it."""


def packages(config: StudyConfig) -> list[str]:
    """Returns the packages that the jobs of a study import."""
    adapters = [tuning.adapter.kind for tuning in _tunings(config) if tuning.adapter]
    formats = [one.format for one in config.systems.values() if isinstance(one, Int8System)]
    found = [*PACKAGES, *(["peft"] if adapters else [])]
    return found + ["bitsandbytes"] * ("qlora" in adapters or "bitsandbytes" in formats)


def needs_compiler(config: StudyConfig) -> bool:
    """Tells whether a study's training on GPUs compiles: flex attention, or offload's AdamW."""
    found = _tunings(config)
    return any(one.attention in ("auto", "flex") or one.offload != "none" for one in found)


def _tunings(config: StudyConfig) -> list[TuningSection]:
    systems = config.systems.items()
    return [config.tuning_of(name) for name, one in systems if isinstance(one, TunedSystem)]


def broken_imports(names: Sequence[str], seconds: float = IMPORT_SECONDS) -> dict[str, str]:
    """Imports packages in a process of this interpreter, all within so many seconds; returns the
    reason by package that cannot be imported."""
    command = [sys.executable, "-c", IMPORTS, *names]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        said, end = done.stdout, f"ended with status {done.returncode}"
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        end = f"not imported after {seconds:.0f} s"
    # Packages print as they please while they are imported; these words begin our own lines.
    lines = [line.split(" ", 2) for line in said.splitlines()]
    found = {line[1]: line[2] for line in lines if line[0] == "broken" and len(line) == 3}
    begun = [line[1] for line in lines if line[0] == "begin" and len(line) == 2]
    if ["end"] not in lines:
        found[begun[-1] if begun else names[0]] = end
    return found


def compiler_faults(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Returns why the compilers that Triton (C) and torch's extensions (C++) take do not work."""
    include = f"-I{sysconfig.get_paths()['include']}"
    c = environment.get("CC") or next(filter(shutil.which, ("gcc", "clang")), "")
    cxx = environment.get("CXX") or next(filter(shutil.which, ("c++", "g++")), "")
    found = _fault("C", [c, "-x", "c", include], "#include <Python.h>\n")
    return [*filter(None, (found, _fault("C++", [cxx, "-x", "c++"], "#include <vector>\n")))]


def _fault(language: str, command: list[str], source: str) -> str:
    """Returns why a compiler does not take a source; nothing if it does."""
    if not command[0]:
        return f"no {language} compiler"
    more: dict[str, Any] = {"capture_output": True, "text": True, "timeout": COMPILE_SECONDS}
    try:
        done = subprocess.run([*command, "-fsyntax-only", "-"], input=source, **more)
        lines = [line for line in done.stderr.splitlines() if "error" in line]
        what = next(iter(lines), "it fails") if done.returncode else ""
    except OSError as error:
        what = str(error.strerror)
    except subprocess.TimeoutExpired:
        what = f"no answer after {COMPILE_SECONDS:.0f} s"
    return f"{language} compiler {command[0]}: {what}" if what else ""
