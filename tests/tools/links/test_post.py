"""One issue tells what is bad as long as it is bad, the new ledger is proposed, and nothing else comes out of the checking job."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.tools.adding.places import linked, program
from tests.tools.jobs import Repository, git, repository_of
from tools.catalog import ROOT
from tools.links import journal, ledger, post
from tools.links.markdown import LONGEST, markdown
from tools.links.model import Finding, Place, Row, Target
from tools.links.post import BRANCH, FOLDER, LABEL, LARGEST, LONGEST_TEXT, MARK, TITLE
from tools.links.report import Notice, Report, to_json
from tools.posting import BOT

URL = "https://a.example/x"
ROW = Row(url=URL, first_seen=date(2026, 11, 4), checked=date(2026, 11, 18), status=404, failures=3, failing_since=date(2026, 11, 4), verdict="dead")
LINE = ledger.line_of(ROW) + "\n"


def report(verdict="dead", reason="answers with status 404"):
    return Report(findings=(Finding(target=Target(URL, (Place("catalog/papers/x.yaml", 12, 8, "links[0].url", "papers/x"),)), verdict=verdict, reason=reason),))


BAD, WELL = report(), report("ok")
NOTICED = replace(WELL, notices=(Notice(BAD.findings[0].target.places[0], "arXiv says that 2103.00010 was withdrawn"),))
WARNED = replace(WELL, warnings=("catalog.yaml: link_exceptions[0] held until 2026-11-01",))
BODY = {id(one): f"{MARK}\n\n{markdown(one)}" for one in (BAD, WELL, NOTICED, WARNED)}


def body(one):
    return BODY[id(one)]


@pytest.fixture
def repository(tree, tmp_path, monkeypatch) -> Repository:
    made = repository_of(tree, tmp_path, monkeypatch, FOLDER, **{"report.json": to_json(BAD), "report.md": "x", "links.jsonl": ""})
    there(made)
    return made


def there(repository: Repository, *issues: tuple[int, str, str]) -> None:
    """The issues with the label, as gh lists them."""
    listed = [dict(zip(("number", "state", "body"), issue, strict=True)) for issue in issues]
    (repository.gh / "issue-list").write_text(json.dumps(listed), encoding="utf-8")


def done(repository: Repository) -> list[list[str]]:
    """What gh was asked to do, but for looking."""
    return [arguments for arguments, _ in repository.calls() if arguments[1] != "list"]


# ------------------------------------------------------------------------------------------------------------ the issue


def test_where_something_is_bad_and_there_is_no_issue_one_is_opened_with_its_label(repository):
    repository.leave()
    assert post.main() == 0
    (listed, _), (label, _), (created, given) = repository.calls()
    assert listed == ["issue", "list", "--label", LABEL, "--state", "all", "--limit", "100", "--json", "number,state,body"]
    assert label[:3] == ["label", "create", LABEL]
    assert label[-1] == "--force"
    assert created == ["issue", "create", "--title", TITLE, "--label", LABEL, "--body-file", "-"]
    assert given == body(BAD)


OLD = f"{MARK}\n\nWhat it said last week."
KEPT = {
    "bad and open with another text": (BAD, [(7, "OPEN", OLD)], [["edit", "7"]]),
    "bad and open with this text": (BAD, [(7, "OPEN", body(BAD))], []),
    "bad and open with this text, as GitHub keeps it": (BAD, [(7, "OPEN", body(BAD).strip().replace("\n", "\r\n"))], []),
    "bad and closed": (BAD, [(7, "CLOSED", OLD)], [["edit", "7"], ["reopen", "7"]]),
    "bad and closed with this text": (BAD, [(7, "CLOSED", body(BAD))], [["reopen", "7"]]),
    "well and open": (WELL, [(7, "OPEN", OLD)], [["edit", "7"], ["close", "7"]]),
    "well and open with this text": (WELL, [(7, "OPEN", body(WELL))], [["close", "7"]]),
    "well and closed": (WELL, [(7, "CLOSED", OLD)], []),
    "well and none": (WELL, [], []),
    "several: the open one": (BAD, [(9, "CLOSED", OLD), (7, "OPEN", OLD), (5, "OPEN", OLD)], [["edit", "7"]]),
    "several closed: the newest": (BAD, [(5, "CLOSED", body(BAD)), (9, "CLOSED", body(BAD))], [["reopen", "9"]]),
    "somebody else's with the label": (WELL, [(7, "OPEN", "A link is dead.")], []),
    "somebody else's and ours": (WELL, [(9, "OPEN", "A link is dead."), (7, "OPEN", body(WELL))], [["close", "7"]]),
}


KEPT |= {
    f"{what} and {state}": (found, issues, expected)
    for what, found in {"a paper withdrawn": NOTICED, "an exception past its date": WARNED}.items()
    for state, issues, expected in [
        ("none", [], [["create", LABEL], ["create", "--title"]]),
        ("open", [(7, "OPEN", OLD)], [["edit", "7"]]),
        ("open with this text", [(7, "OPEN", body(found))], []),
        ("closed", [(7, "CLOSED", OLD)], [["edit", "7"], ["reopen", "7"]]),
    ]
}


@pytest.mark.parametrize("case", KEPT)
def test_the_issue_is_kept_up_to_date(repository, case):
    found, issues, expected = KEPT[case]
    there(repository, *issues)
    repository.leave(**{"report.json": to_json(found)})
    assert post.main() == 0
    assert [arguments[1:3] for arguments in done(repository)] == expected
    assert [given for arguments, given in repository.calls() if arguments[1] == "edit"] == [body(found)] * ("edit" in str(expected))


def test_the_issues_text_is_made_of_the_report_and_report_md_is_never_posted(repository):
    repository.leave(**{"report.json": to_json(report(reason="@everyone `\n</details>")), "report.md": "@everyone"})
    assert post.main() == 0
    assert "```text\ncatalog/papers/x.yaml:12:8\nhttps://a.example/x\n@everyone ` </details>\n```" in repository.calls()[-1][1]


def test_with_its_mark_the_longest_text_is_one_that_github_takes():
    assert LONGEST + len(MARK) + 2 <= 65_536


# ----------------------------------------------------------------------------------------------------------- the ledger


def test_the_new_ledger_becomes_a_pull_request_of_that_file_alone(repository):
    repository.leave(**{"links.jsonl": LINE, "report.json": to_json(WELL)})
    (repository.root / "catalog.yaml").write_text("name: Changed", encoding="utf-8")
    (repository.root / "new.py").write_text("x", encoding="utf-8")
    git(repository.root, "add", "--all")
    assert post.main() == 0
    assert repository.remote("diff", "--name-status", "main", BRANCH) == "A\tcatalog/links.jsonl"
    assert repository.remote("show", f"{BRANCH}:catalog/links.jsonl") == LINE.strip()
    assert repository.remote("log", "-1", "--format=%an|%ce|%P", BRANCH) == f"{BOT[0]}|{BOT[1]}|{repository.remote('rev-parse', 'main')}"
    _, (listed, _), (created, given) = repository.calls()
    assert listed[:2] == ["pr", "list"]
    assert listed[-2:] == ["--head", BRANCH]
    assert created[:4] == ["pr", "create", "--head", BRANCH]
    assert "catalog/links.jsonl" in given


def test_the_next_ledger_takes_the_firsts_place_in_the_same_pull_request(repository):
    repository.leave(**{"links.jsonl": LINE})
    assert post.main() == 0
    repository.fresh()
    repository.leave(**{"links.jsonl": LINE.replace("18", "25")})
    (repository.gh / "pr-list").write_text("12", encoding="utf-8")
    assert post.main() == 0
    assert "2026-11-25" in repository.remote("show", f"{BRANCH}:catalog/links.jsonl")
    assert repository.remote("rev-list", "--count", f"main..{BRANCH}") == "1"
    assert [arguments[:2] for arguments in done(repository)].count(["pr", "create"]) == 1


def test_a_ledger_that_says_what_mains_says_is_no_pull_request_however_it_is_spelt(repository):
    ledger.write(repository.root / ledger.FILE, [ROW])
    repository.commit("Remember", BOT[1])
    spelt = json.dumps(json.loads(LINE), indent=None, separators=(" , ", " : "), sort_keys=True)
    repository.leave(**{"links.jsonl": f"\n{spelt}\n\n", "report.json": to_json(WELL)})
    assert post.main() == 0
    assert done(repository) == []
    assert repository.remote("branch", "--list", "links/*") == ""


def test_what_is_committed_is_spelt_as_we_spell_it(repository):
    other = ledger.line_of(Row(url="https://0.example", first_seen=date(2026, 11, 4)))
    repository.leave(**{"links.jsonl": LINE.replace(", ", ",") + other})
    assert post.main() == 0
    assert repository.remote("show", f"{BRANCH}:catalog/links.jsonl") == f"{other}\n{LINE.strip()}"


def test_what_somebody_committed_to_the_branch_isnt_overwritten_and_the_issue_is_kept_all_the_same(repository, capsys):
    repository.leave(**{"links.jsonl": LINE})
    assert post.main() == 0
    repository.commit("Correct it", "reviewer@example.org")
    git(repository.root, "push", "--quiet", "origin", f"HEAD:{BRANCH}")
    by_hand = repository.remote("rev-parse", BRANCH)
    repository.fresh()
    assert post.main() == 1
    assert repository.remote("rev-parse", BRANCH) == by_hand
    assert "finch: the branch links/ledger has commits by hand; merge it, or delete it" in capsys.readouterr().err
    assert [arguments[1] for arguments in done(repository)].count("create") == 5  # twice the label and the issue, once the pull request


def test_where_the_issue_cant_be_kept_the_ledger_is_proposed_all_the_same(repository, capsys):
    (repository.gh / "issue-create").write_text("fails", encoding="utf-8")
    repository.leave(**{"links.jsonl": LINE})
    assert post.main() == 1
    assert "finch: gh issue create failed (1): " in capsys.readouterr().err
    assert repository.remote("rev-parse", "--verify", BRANCH)


@pytest.mark.parametrize("listed", ["", "Not Found", "{}", '[{"number": 7, "state": "OPEN", "body": null}]', '[{"number": 7}]'])
def test_where_gh_prints_no_issues_that_is_told_and_the_ledger_is_proposed_all_the_same(repository, capsys, listed):
    (repository.gh / "issue-list").write_text(listed, encoding="utf-8")
    repository.leave(**{"links.jsonl": LINE})
    assert post.main() == 1
    assert capsys.readouterr().err.startswith("finch: gh issue list printed what is no list of issues: ")
    assert [arguments[0] for arguments in done(repository)] == ["pr"]
    assert repository.remote("rev-parse", "--verify", BRANCH)


def test_what_somebody_pushes_at_the_same_time_isnt_overwritten(repository, capsys):
    """Between the look at the branch and the push: a hook plays somebody."""
    program(repository.root / ".git/hooks/post-commit", f"#!/bin/sh\nexec git push --quiet origin main:refs/heads/{BRANCH}\n")
    repository.leave(**{"links.jsonl": LINE})
    assert post.main() == 1
    assert "(stale info)" in capsys.readouterr().err
    assert repository.remote("rev-parse", BRANCH) == repository.remote("rev-parse", "main")


def test_where_no_pull_request_may_be_opened_the_branch_is_there_and_the_log_says_why(repository, capsys):
    (repository.gh / "pr-create").write_text("fails", encoding="utf-8")
    repository.leave(**{"links.jsonl": LINE})
    assert post.main() == 1
    assert "finch: gh pr create failed (1): gh: GitHub Actions is not permitted to create" in capsys.readouterr().err
    assert repository.remote("rev-parse", "--verify", BRANCH)


# --------------------------------------------------------------------------------------------------------------- tricks


def link(name: str) -> Callable[[Path], None]:
    def trick(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to("/etc/passwd")

    return trick


def pipe(folder: Path) -> None:
    (folder / "links.jsonl").unlink()
    os.mkfifo(folder / "links.jsonl")


def no_text(folder: Path) -> None:
    (folder / "links.jsonl").write_bytes(b"\xff\xfe")


def huge(folder: Path) -> None:
    with (folder / "links.jsonl").open("wb") as stream:
        stream.truncate(LARGEST["links.jsonl"] + 1)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def writes(name: str, text: str) -> Callable[[Path], None]:
    def trick(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")

    return trick


def row(**fields: object) -> Callable[[Path], None]:
    return writes("links.jsonl", json.dumps(json.loads(LINE) | fields))


TRICKS = {
    "a link as ledger": (link("links.jsonl"), "is no plain file"),
    "a link as report": (link("report.json"), "is no plain file"),
    "a pipe": (pipe, "is no plain file"),
    "no text": (no_text, "isn't UTF-8"),
    "a huge ledger": (huge, "expected at most 50,000,000"),
    "no ledger": (without("links.jsonl"), "found no links.jsonl"),
    "no report": (without("report.json"), "found no report.json"),
    "nothing": (shutil.rmtree, "is no folder"),
    "another file": (writes("x.py", "x"), "found 'x.py'"),
    "a workflow": (writes(".github/workflows/x.yml", "x"), "found '.github'"),
    "a name with a line end": (writes("x\n::error::.md", "x"), r"found 'x\n::error::.md'"),
    "a report that is none": (writes("report.json", '{"findings": [{"a": 1}]}'), "findings.0.target"),
    "a report that isn't JSON": (writes("report.json", "{"), "Invalid JSON"),
    "a ledger that is none": (writes("links.jsonl", "name: x"), "links.jsonl:1: not valid JSON"),
    "a ledger that goes too deep": (writes("links.jsonl", "[" * 100_000), "report.json or links.jsonl: "),
    "a row with a field of its own": (row(command="x"), 'no "command" here'),
    "a field with a line end": (row(**{"a\n::error::b": 1}), 'no "a ::error::b" here'),
    "a row twice": (writes("links.jsonl", LINE * 2), "has a line already"),
    "a script in an address's place": (row(url="javascript:alert(1)"), "'javascript:alert(1)' is no address of the web"),
    "a script in an archive's place": (row(archive="javascript:alert(1)"), "is no address of the web"),
    "a script in a new address's place": (row(moved_to="data:text/html,x"), "is no address of the web"),
    "an address with a line end": (row(moved_to="https://a.example/\njavascript:x"), "is no address of the web"),
    "a long title": (row(title="x" * (LONGEST_TEXT + 1)), "more than 10,000 characters"),
    "a long status": (row(status="x" * (LONGEST_TEXT + 1)), "more than 10,000 characters"),
    "a long kind of failure": (row(failing_by="x" * (LONGEST_TEXT + 1)), "more than 10,000 characters"),
    "half a character": (row(title="\ud800"), '"title" can\'t be "\\ud800"'),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_nothing_but_a_report_and_a_ledger_is_posted(repository, capsys, trick):
    repository.leave(**{"links.jsonl": LINE})
    play, said = TRICKS[trick]
    play(repository.root / FOLDER)
    assert post.main() == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.splitlines()) == 1
    assert repository.calls() == []
    assert git(repository.root, "status", "--porcelain") == ""
    assert repository.remote("branch", "--list") == "* main"


# -------------------------------------------------------------------------------------------------------------- scripts

CHECKER = """
import pathlib, sys
root = pathlib.Path.cwd()
journal = root / "catalog/.links.jsonl.journal"
(root / "asked").write_text(repr((sys.argv[1:], journal.read_text() if journal.exists() else None)))
print("::error::from a server")
folder = root / "build/links"
folder.mkdir(parents=True)
(folder / "report.json").write_text("json")
(folder / "report.md").write_text("What is dead.")
(root / "catalog/links.jsonl").write_text("new")
sys.exit({code})
"""


def run_script(repository: Repository, script: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script of .ci, with a checker that notes what it was asked, and a make that does nothing."""
    program(repository.root / ".ci" / script, (ROOT / ".ci" / script).read_text(encoding="utf-8"))
    (repository.root / "tools").mkdir()
    (repository.root / "tools/check_links.py").write_text(CHECKER.format(code=code), encoding="utf-8")
    (repository.root / ".venv").symlink_to(sys.prefix)
    program(repository.gh / "bin/make", f'#!/usr/bin/env bash\necho "$* ${{GITHUB_TOKEN:-none}}" >> {repository.gh}/made\n')
    command = [repository.root / ".ci" / script]
    return subprocess.run(command, cwd="/", env=os.environ | environment, capture_output=True, text=True, check=False)


def asked(repository: Repository) -> tuple[list[str], str | None]:
    return ast.literal_eval((repository.root / "asked").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 0), (2, 2)])
def test_the_job_that_checks_leaves_report_and_ledger_and_fails_only_where_it_couldnt_check(repository, tmp_path, code, expected):
    finished = run_script(repository, "check-links", code, GITHUB_STEP_SUMMARY=str(tmp_path / "summary"), GITHUB_TOKEN="t0ken")
    assert finished.returncode == expected, finished.stderr
    assert asked(repository) == (["--site", "--anew", "--report", "build/links"], None)
    assert re.match(r"::stop-commands::[0-9a-f-]{36}\n::error::from a server\n", finished.stdout)
    assert (repository.gh / "made").read_text(encoding="utf-8") == "--silent .venv/links.stamp none\n"
    if not expected:
        assert sorted(path.name for path in (repository.root / "build/links").iterdir()) == ["links.jsonl", "report.json", "report.md"]
        assert (repository.root / "build/links/links.jsonl").read_text(encoding="utf-8") == "new"
        assert (tmp_path / "summary").read_text(encoding="utf-8") == "What is dead."


def test_a_look_goes_on_from_what_nobody_has_merged_yet(repository):
    repository.leave(**{"links.jsonl": LINE})
    assert post.main() == 0
    repository.fresh()
    assert not (repository.root / ledger.FILE).exists()
    shutil.rmtree(repository.root / "build")
    assert run_script(repository, "check-links").returncode == 0
    assert asked(repository)[1] == LINE
    assert journal.journal_of(ledger.FILE) == Path("catalog/.links.jsonl.journal")


def test_a_look_whose_past_cant_be_had_isnt_taken_for_the_first(repository):
    git(repository.root, "remote", "set-url", "origin", "/nowhere.git")
    assert run_script(repository, "check-links").returncode != 0
    assert not (repository.root / "asked").exists()


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_pull_requests_links_are_checked_since_its_base_and_told_as_annotations(repository, code):
    finished = run_script(repository, "check-added-links", code, SINCE="abc; x")
    assert finished.returncode == code
    assert asked(repository) == (["--changed-since", "abc; x", "--format", "github"], None)
    assert finished.stdout == "::error::from a server\n"


def test_the_job_that_posts_runs_the_module_at_the_repositorys_root_and_needs_no_more_than_the_site(repository):
    for name in ("tools", "implementations"):
        linked(repository.root / name, ROOT / name)
    (repository.root / ".venv").symlink_to(sys.prefix)
    program(repository.root / ".ci/post-links", (ROOT / ".ci/post-links").read_text(encoding="utf-8"))
    repository.leave()
    finished = subprocess.run([repository.root / ".ci/post-links"], cwd="/", capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert re.fullmatch(r"::stop-commands::[0-9a-f-]{36}\n", finished.stdout)
    assert repository.calls()[-1][1] == body(BAD)
    code = "import sys, tools.links.post; print({'filelock', 'httpx2', 'h2', 'rich', 'httpcore2'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "set()\n"
