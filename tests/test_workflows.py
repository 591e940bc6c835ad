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
FORMS = ROOT / ".github/ISSUE_TEMPLATE"


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def expressions(value: object) -> list[str]:
    """Every ${{ … }} below a value of a workflow."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [found for item in value for found in expressions(item)]
    return re.findall(r"\$\{\{ *(.*?) *\}\}", value) if isinstance(value, str) else []


def test_there_are_these_workflows():
    assert NAMES == ["add-paper.yml", "added-links.yml", "links.yml", "publish.yml", "rerun.yml", "test.yml"]


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


def test_only_three_jobs_may_write_the_deploying_one_pages_and_the_posting_ones_what_they_post():
    writes = {
        (path.name, name, permission)
        for path in WORKFLOWS
        for name, job in load(path)["jobs"].items()
        for permission, access in job["permissions"].items()
        if access != "read"
    }
    assert writes == {("publish.yml", "deploy", "pages"), ("publish.yml", "deploy", "id-token")} | {
        (name, "post", permission) for name in ("add-paper.yml", "links.yml") for permission in ("contents", "pull-requests", "issues")
    }


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


def handed_over(one: dict, other: dict) -> tuple[str, str]:
    """The artifact that one job leaves and another gets, and its folder in both."""
    uploaded, downloaded = (
        next(step["with"] for step in job["steps"] if step.get("uses", "").startswith(f"actions/{way}-artifact@"))
        for job, way in ((one, "upload"), (other, "download"))
    )
    assert (uploaded["name"], uploaded["path"]) == (downloaded["name"], downloaded["path"])
    return uploaded["name"], uploaded["path"]


# ------------------------------------------------------------------------------------------------------- papers by issue


@pytest.fixture
def adding() -> dict:
    return load(ROOT / ".github/workflows/add-paper.yml")


@pytest.mark.parametrize(("schema", "file"), [("vendor.github-issue-forms", "add-paper.yml"), ("vendor.github-issue-config", "config.yml")])
def test_every_issue_form_fits_the_schema(schema, file):
    assert sorted(path.name for path in FORMS.iterdir()) == ["add-paper.yml", "config.yml"]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(FORMS / file)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_workflow_runs_for_open_issues_with_the_forms_label(adding):
    (label,) = load(FORMS / "add-paper.yml")["labels"]
    assert adding[True] == {"issues": {"types": ["opened", "edited", "labeled"]}}  # YAML takes `on` for true
    assert adding["jobs"]["read"]["if"] == f"github.event.issue.state == 'open' && contains(github.event.issue.labels.*.name, '{label}')"


def test_the_issue_gets_an_answer_also_where_reading_failed_but_not_where_it_was_skipped_or_the_run_was_cancelled(adding):
    post = adding["jobs"]["post"]
    assert post["needs"] == "read"
    assert post["if"] == "${{ !cancelled() && needs.read.result != 'skipped' }}"
    *before, posting, failed = post["steps"]
    assert posting["id"] == "post"
    assert failed["run"] == ".ci/add-paper-failed"
    assert failed["if"] == "failure() && steps.post.outcome == 'skipped'"
    assert not any({"if", "continue-on-error"} & step.keys() for step in [*before, posting])  # the first that fails skips the rest


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_no_expression_stands_in_a_command(path):
    assert [found for step in steps(load(path)) for found in expressions(step.get("run"))] == []


def test_an_issues_words_stand_in_the_environment_of_the_step_that_reads_them_and_nowhere_else(adding):
    told = {found for found in expressions(adding) if "github.event.issue" in found}
    assert told == {"github.event.issue.body", "github.event.issue.number"}
    assert [step for step in steps(adding) if "github.event.issue.body" in expressions(step)] == [
        {"run": ".ci/add-paper-read", "env": {"ISSUE_BODY": "${{ github.event.issue.body }}"}}
    ]


def test_the_job_that_reads_has_no_token_and_may_do_nothing_but_read(adding):
    read = adding["jobs"]["read"]
    assert read["permissions"] == {"contents": "read"}
    assert [found for found in expressions(read) if re.search("token|secrets", found)] == []


def test_the_job_that_posts_gets_the_issues_number_a_token_where_it_speaks_and_the_artifact_as_a_file(adding):
    post = adding["jobs"]["post"]
    assert expressions(post["steps"]) == ["github.event.issue.number", "github.token"] * 2
    *before, posting, failed = post["steps"]
    assert posting["run"] == ".ci/add-paper-post"
    assert posting["env"] == failed["env"] == {"ISSUE_NUMBER": "${{ github.event.issue.number }}", "GH_TOKEN": "${{ github.token }}"}
    assert [step["run"] for step in before if "run" in step] == ["make check"]
    assert handed_over(adding["jobs"]["read"], post) == ("add-paper", "build/issue")


def test_one_run_an_issue():
    concurrency = load(ROOT / ".github/workflows/add-paper.yml")["concurrency"]
    assert concurrency == {"group": "add-paper-${{ github.event.issue.number }}", "cancel-in-progress": True}


# ---------------------------------------------------------------------------------------------------------------- links


@pytest.fixture
def links() -> dict:
    return load(ROOT / ".github/workflows/links.yml")


def test_links_are_looked_at_once_a_week_and_when_somebody_asks(links):
    minute, hour, *days, weekday = links[True]["schedule"][0]["cron"].split()
    assert (minute.isdigit(), hour.isdigit(), weekday.isdigit(), days) == (True, True, True, ["*", "*"])
    assert set(links[True]) == {"schedule", "workflow_dispatch"}
    assert links["concurrency"] == {"group": "links", "cancel-in-progress": False}


def test_the_job_that_asks_the_world_may_only_read_and_has_its_token_in_one_step(links):
    check = links["jobs"]["check"]
    assert check["permissions"] == {"contents": "read"}
    assert [step for step in check["steps"] if expressions(step)] == [{"run": ".ci/check-links", "env": {"GITHUB_TOKEN": "${{ github.token }}"}}]


def test_the_job_that_posts_does_so_from_main_and_gets_the_artifact_as_files_and_a_token_in_its_last_step(links):
    post = links["jobs"]["post"]
    assert (post["needs"], post["if"]) == ("check", "github.ref == 'refs/heads/main'")
    assert handed_over(links["jobs"]["check"], post) == ("links", "build/links")
    *before, last = post["steps"]
    assert last == {"run": ".ci/post-links", "env": {"GH_TOKEN": "${{ github.token }}"}}
    assert expressions(before) == []
    assert [step["run"] for step in before if "run" in step] == ["make check"]


def test_a_pull_request_that_changes_entries_has_its_links_checked_without_a_token():
    added = load(ROOT / ".github/workflows/added-links.yml")
    assert added[True] == {"pull_request": {"paths": ["catalog/**/*.yaml", "catalog.yaml"]}}
    (job,) = added["jobs"].values()
    assert job["permissions"] == {"contents": "read"}
    assert expressions(job) == []
    assert job["steps"][0]["with"]["fetch-depth"] == 0
    assert job["steps"][-1] == {"run": ".ci/check-added-links", "env": {"SINCE": "HEAD^1"}}
