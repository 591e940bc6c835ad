"""The GitHub workflows: valid, pinned, with the least permissions, and with no command that isn't tested elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
NAMES = [path.name for path in WORKFLOWS]


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_is_a_workflow_for_tests_one_for_publishing_and_one_that_runs_demos_again():
    assert NAMES == ["publish.yml", "rerun.yml", "test.yml"]


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_every_workflow_fits_the_schema(schema):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, WORKFLOWS)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_zizmor_finds_nothing_unsafe():
    zizmor = Path(sys.executable).parent / "zizmor"
    run = subprocess.run([zizmor, "--offline", *WORKFLOWS], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_every_action_is_pinned_by_its_commit_and_says_which_version_that_is(path):
    uses = re.findall(r"uses: *(.*)", path.read_text(encoding="utf-8"))
    assert uses
    assert [line for line in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_no_job_has_a_permission_that_it_does_not_state(path):
    workflow = load(path)
    assert workflow["permissions"] == {}
    assert all("permissions" in job for job in workflow["jobs"].values())


def test_only_the_deploying_job_may_write_and_only_pages():
    writes = {
        (path.name, name, permission)
        for path in WORKFLOWS
        for name, job in load(path)["jobs"].items()
        for permission, access in job["permissions"].items()
        if access != "read"
    }
    assert writes == {("publish.yml", "deploy", "pages"), ("publish.yml", "deploy", "id-token")}


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_every_checkout_leaves_no_credentials_behind(path):
    checkouts = [step for step in steps(load(path)) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_every_command_is_a_make_target_or_a_script_of_the_repository(path):
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = [step["run"] for step in steps(load(path)) if "run" in step]
    unknown = []
    for command in commands:
        target = re.fullmatch(r"make ([a-z]+)", command)
        if not (target[1] in targets if target else os.access(ROOT / command, os.X_OK)):
            unknown.append(command)
    assert unknown == []


def test_what_is_published_is_what_make_site_builds():
    workflow = load(ROOT / ".github/workflows/publish.yml")
    uploads = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/upload-pages-artifact@")]
    assert [step["with"]["path"] for step in uploads] == ["build/site"]
    assert "--site-dir build/site" in (ROOT / "Makefile").read_text(encoding="utf-8")
