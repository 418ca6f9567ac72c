"""What a machine denies: rights, memory, a network; and answers that were made to do harm."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bayling_study.core.files import file_hashes, read_json, sha256_listing, write_json
from helpers.browser import BROWSER, NO_BROWSER, browse
from helpers.sandbox import S

pytestmark = pytest.mark.long
ORDINARY = "setpriv --bounding-set=-all --inh-caps=-all"
"""Runs a command without root's rights to pass over the permissions of files."""
MEMORY = [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")]
"""Where memory is limited: of cgroups 1 and 2."""
SMALL = 250_000_000


def as_ordinary(command: list[str]) -> list[str]:
    """Returns a command as a user without special rights runs it."""
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv (util-linux)")
    return [*ORDINARY.split(), "--", *command]


def run(sandbox, command):
    """Runs a command in a study's folder; returns its status and all it printed."""
    done = subprocess.run(
        command, cwd=sandbox.root, env=sandbox.environment({}), text=True, timeout=1200,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.fault("a user who may not write to the folder of {stage}")
@pytest.mark.parametrize("stage", ["prompts", "scoring", "generation", "report"])
def test_a_folder_without_permission_is_named(reference, sandbox, stage):
    target = sandbox.drop(stage)
    folder = (sandbox.root / target).parent
    folder.chmod(0o555)
    try:
        status, output = run(sandbox, as_ordinary(sandbox.command(target)))
    finally:
        if folder.exists():  # Snakemake removes one that is empty
            folder.chmod(0o755)
    assert status != 0, output[-3000:]
    assert "Permission denied" in output + sandbox.log(stage)
    assert not (sandbox.root / target).exists()
    assert sandbox.run(target)[0] == 0
    assert sandbox.hash(target) == reference.hash(target)


@pytest.mark.fault("resources of somebody else, which may only be read")
def test_resources_may_be_read_only(reference, sandbox):
    target = sandbox.drop("corpora")
    shared = sandbox.root / "resources"
    folders = [shared, *(path for path in shared.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        status, output = run(sandbox, as_ordinary(sandbox.command(target)))
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)


@pytest.fixture
def group():
    """A cgroup with little memory; its path."""
    for root in MEMORY:
        folder = root / "bayling-faults"
        try:
            folder.mkdir(exist_ok=True)
            limit = next(f for f in folder.iterdir() if f.name.endswith((".limit_in_bytes", ".max"))
                         and f.name.startswith("memory.") and "kmem" not in f.name
                         and "memsw" not in f.name and "soft" not in f.name
                         and "swap" not in f.name and "tcp" not in f.name)  # fmt: skip
            limit.write_text(str(SMALL))
        except (OSError, StopIteration):
            continue
        yield folder
        folder.rmdir()
        return
    pytest.skip("no cgroup whose memory this user may limit")


@pytest.mark.fault("a cgroup with 250 MB for {stage}")
@pytest.mark.parametrize("stage", ["tuning", "generation"])
def test_a_job_over_its_cgroups_memory_is_repeated(reference, sandbox, group, stage):
    target = sandbox.drop(stage)
    strike = sandbox.strike(stage, f"echo $$ > {group}/cgroup.procs")
    status, output = sandbox.run(target, **strike)
    assert status != 0, output[-3000:]
    assert not (sandbox.root / target).exists()
    assert sandbox.run(target)[0] == 0
    assert sandbox.hash(target) == reference.hash(target)


def without_network(command):
    """Returns a command as it runs where there is no network at all, loopback included."""
    alone = ["unshare", "--net", "--"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("this user may make no network namespace")
    return [*alone, *command]


@pytest.mark.fault("no network at all at the second run")
def test_a_second_run_needs_no_network(sandbox):
    status, output = run(sandbox, without_network(sandbox.command()))
    assert status == 0, output[-3000:]
    assert "Nothing to be done" in output


@pytest.mark.fault("no network at all while {stage} is made again")
@pytest.mark.parametrize("stage", ["corpora", "generation", "scoring", "comet", "report"])
def test_no_stage_needs_a_network(reference, sandbox, stage):
    target = sandbox.drop(stage)
    status, output = run(sandbox, without_network(sandbox.command(target)))
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)


HOSTILE = {
    "a script": "<script>document.title='owned'</script>",
    "an image that fails": "<img src=x onerror=\"document.title='owned'\">",
    "a picture with a handler": "<svg onload=\"document.title='owned'\"></svg>",
    "a link to a script": "<a href=\"javascript:document.title='owned'\">x</a>",
    "the end of an element": "</td></table></script><script>document.title='owned'</script>",
    "the end of an attribute": '" onmouseover="document.title=\'owned\'" autofocus onfocus="',
    "a template's braces": "{{ 7 * 7 }} {% for x in y %}${7*7}",
    "a frame": "<iframe srcdoc=\"<script>parent.document.title='owned'</script>\"></iframe>",
    "bidirectional controls": "\u202e<b>txet\u202c \u2066desrever\u2069",
}
CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""They would turn the text around them; the report spells them out."""


class Page(HTMLParser):
    """A page's text, and what in it could run a script that is not the report's own."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.active: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        hooks = [n for n, v in attributes if n.startswith("on") or "javascript:" in (v or "")]
        if hooks or tag in ("iframe", "object", "embed", "base", "form"):
            self.active.append(f"{tag} {hooks}")

    def handle_data(self, data):
        self.text += "".join(data.split())


@pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER)
@pytest.mark.fault("an answer with {what}, opened in a browser")
@pytest.mark.parametrize("what", HOSTILE)
def test_an_answer_is_text_in_the_report(reports, what):
    hostile, console, page, harmless = reports
    assert "owned" not in hostile.split("</title>")[0]
    assert [line for line in console if "owned" in line] == []
    assert page.active == harmless.active
    assert page.scripts == harmless.scripts
    spelt = CONTROLS.sub(lambda control: f"⟨U+{ord(control[0]):04X}⟩", HOSTILE[what])
    assert "".join(spelt.split()) in page.text
    assert not CONTROLS.search(page.text)


@pytest.fixture(scope="module")
def reports(reference, tmp_path_factory):
    """A report whose answers are all of the hostile texts, as a browser shows it, and its like."""
    sandbox = reference.clone(tmp_path_factory.mktemp("hostile") / "study")
    outputs = sandbox.study / "generation" / "tuned"
    path = outputs / "translation.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["turns"] = [" ".join(HOSTILE.values())]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    record = sandbox.study / "runs" / "generation" / "tuned.json"
    values = read_json(record)  # as if the system had said this
    hashes = file_hashes(outputs)
    values["outputs"]["hypotheses"] |= {"sha256": sha256_listing(hashes), "files": hashes}
    write_json(record, values)
    sandbox.drop("scoring")
    shutil.rmtree(sandbox.study / "report")
    status, output = sandbox.run(f"{S}/report/index.html")
    assert status == 0, output[-3000:]
    profile = tmp_path_factory.mktemp("profile")
    pages = []
    for study in (sandbox.study, reference.study):
        shown, console = browse((study / "report" / "index.html").as_uri(), profile)
        pages.append((shown, console, Page()))
        pages[-1][2].feed(shown)
    return *pages[0], pages[1][2]
