"""What the reading job left is posted if it is one new, valid entry and nothing else; a stranger's words are quoted, and do nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.adding.places import linked, program
from tests.tools.jobs import Repository, git, repository_of
from tools.adding import post
from tools.adding.post import FOLDER, LARGEST, read_artifact
from tools.catalog import ROOT, load
from tools.posting import BOT, Refusal

BRANCH = "add-paper/issue-7"
PLACE = "catalog/papers/dunnock.yaml"
ENTRY = """title: "Dunnock: Quiet Attention"
name: "Dunnock"
authors: [Ada Falk]
year: 2022
venue: icb
ids: {arxiv: "2203.00010"}
links:
  - {kind: paper, url: https://arxiv.org/abs/2203.00010}
approaches: [attention]
summary: >-
  It looks where nobody looks. The rest is attention.
no_results: >-
  It reports on images of its own.
added: 2026-11-24
"""


@pytest.fixture
def repository(tree, tmp_path, monkeypatch) -> Repository:
    monkeypatch.setenv("ISSUE_NUMBER", "7")
    return repository_of(tree, tmp_path, monkeypatch, FOLDER, **{"message.txt": "said"})


def comments(repository: Repository) -> list[str]:
    return [given for arguments, given in repository.calls() if arguments[:2] == ["issue", "comment"]]


# ---------------------------------------------------------------------------------------------------------- an entry


def test_an_entry_becomes_a_pull_request_of_that_file_alone_from_the_issues_branch(repository):
    (repository.gh / "pr-create").write_text("https://github.com/OWNER/NAME/pull/12", encoding="utf-8")
    repository.leave(**{PLACE: ENTRY, "message.txt": "wrote it\n"})
    assert post.main() == 0
    assert repository.remote("diff", "--name-status", "main", BRANCH) == f"A\t{PLACE}"
    assert repository.remote("show", f"{BRANCH}:{PLACE}") == ENTRY.strip()
    assert repository.remote("log", "-1", "--format=%s|%an|%ae|%ce|%P", BRANCH) == f"Add dunnock|{BOT[0]}|{BOT[1]}|{BOT[1]}|{repository.remote('rev-parse', 'main')}"
    (listed, _), (created, body), (commented, comment) = repository.calls()
    assert listed[:2] == ["pr", "list"]
    assert listed[-2:] == ["--head", BRANCH]
    assert created == ["pr", "create", "--head", BRANCH, "--title", "Add dunnock", "--body-file", "-"]
    assert body.startswith("Closes #7, ")
    assert "```text\nwrote it\n```" in body
    assert commented == ["issue", "comment", "7", "--edit-last", "--create-if-none", "--body-file", "-"]
    assert comment.startswith("The entry is proposed in #12.")


def test_an_edited_issue_changes_the_branch_and_the_pull_request_that_is_there(repository):
    repository.leave(**{PLACE: ENTRY})
    assert post.main() == 0
    repository.fresh()
    repository.leave(**{PLACE: ENTRY.replace("2022", "2021")})
    (repository.gh / "pr-list").write_text("12", encoding="utf-8")
    assert post.main() == 0
    assert "year: 2021" in repository.remote("show", f"{BRANCH}:{PLACE}")
    assert repository.remote("rev-list", "--count", f"main..{BRANCH}") == "1"
    assert [arguments[:2] for arguments, _ in repository.calls()].count(["pr", "create"]) == 1
    assert comments(repository)[-1].startswith("The entry is proposed in #12.")


def test_another_id_after_an_edit_takes_the_first_ones_file_off_the_branch(repository):
    repository.leave(**{PLACE: ENTRY})
    post.main()
    repository.fresh()
    (repository.root / FOLDER / PLACE).unlink()
    repository.leave(**{"catalog/papers/hedge-sparrow.yaml": ENTRY})
    assert post.main() == 0
    assert repository.remote("diff", "--name-only", "main", BRANCH) == "catalog/papers/hedge-sparrow.yaml"


def test_nothing_else_goes_along_whatever_was_changed_before(repository):
    repository.leave(**{PLACE: ENTRY})
    (repository.root / "catalog.yaml").write_text("name: Changed\n" + (repository.root / "catalog.yaml").read_text(encoding="utf-8").split("\n", 1)[1], encoding="utf-8")
    (repository.root / "new.py").write_text("x", encoding="utf-8")
    git(repository.root, "add", "--all")
    assert post.main() == 0
    assert repository.remote("diff", "--name-only", "main", BRANCH) == PLACE


def test_what_somebody_committed_to_the_branch_isnt_overwritten(repository):
    repository.leave(**{PLACE: ENTRY})
    post.main()
    repository.commit("Correct the year", "reviewer@example.org")
    git(repository.root, "push", "--quiet", "origin", f"HEAD:{BRANCH}")
    by_hand = repository.remote("rev-parse", BRANCH)
    repository.fresh()
    assert post.main() == 1
    assert repository.remote("rev-parse", BRANCH) == by_hand
    assert "has commits by hand" in comments(repository)[-1]


def test_where_no_pull_request_may_be_opened_the_issue_says_what_a_maintainer_does(repository, capsys):
    (repository.gh / "pr-create").write_text("fails", encoding="utf-8")
    repository.leave(**{PLACE: ENTRY})
    assert post.main() == 1
    assert "Allow GitHub Actions to create and approve pull" in comments(repository)[-1]
    assert "finch: gh pr create failed (1): gh: GitHub Actions is not permitted" in capsys.readouterr().err
    assert repository.remote("rev-parse", "--verify", BRANCH)


def test_a_push_that_fails_is_an_error_and_nothing_is_opened(repository, capsys):
    git(repository.root, "remote", "set-url", "origin", "/nowhere.git")
    repository.leave(**{PLACE: ENTRY})
    assert post.main() == 1
    assert "finch: git ls-remote origin failed (128)" in capsys.readouterr().err
    assert repository.calls() == []


def test_git_is_given_the_token_by_gh_and_has_it_in_no_file(repository, monkeypatch):
    program(repository.gh / "bin/git", f'#!/usr/bin/env bash\nprintf "%s\\n" "$*" >> {repository.gh}/git\nexec /usr/bin/git "$@"\n')
    monkeypatch.setenv("GH_TOKEN", "t0ken")
    repository.leave(**{PLACE: ENTRY})
    assert post.main() == 0
    over_the_network = [line for line in (repository.gh / "git").read_text(encoding="utf-8").splitlines() if re.search("push|fetch|ls-remote", line)]
    assert len(over_the_network) == 2
    assert all(line.startswith("-c credential.helper= -c credential.helper=!gh auth git-credential ") for line in over_the_network)
    assert "t0ken" not in (repository.gh / "git").read_text(encoding="utf-8") + (repository.root / ".git/config").read_text(encoding="utf-8")


# -------------------------------------------------------------------------------------------------------- no entry


def test_without_an_entry_the_issue_is_told_what_was_said(repository):
    repository.leave(**{"message.txt": "the id doesn't exist\n"})
    assert post.main() == 0
    ((arguments, comment),) = repository.calls()
    assert arguments == ["issue", "comment", "7", "--edit-last", "--create-if-none", "--body-file", "-"]
    assert comment.startswith("No entry could be made of this issue:\n\n```text\n")
    assert "```text\nthe id doesn't exist\n```" in comment
    assert repository.remote("branch", "--list", "add-paper/*") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ENTRY.replace("approaches: [attention]", "approaches: [telepathy]"), "telepathy"),
        (ENTRY.replace("2203.00010", "2103.00010"), "dunnock has this paper's address already"),
        (ENTRY + "implementation: {file: implementations/dunnock.py}\n", "implementation"),
        ("title: [", "not valid YAML"),
        ("", "the file is empty"),
        ("a: &a [x]\nb: *a\n", "anchor"),
        (ENTRY.replace("added", "owner"), "owner"),
    ],
    ids=["vocabulary", "duplicate", "implementation", "yaml", "empty", "alias", "field"],
)
def test_an_entry_with_which_the_catalog_isnt_valid_is_a_comment_and_no_branch(repository, text, said):
    repository.leave(**{PLACE: text})
    assert post.main() == 1
    (comment,) = comments(repository)
    assert said in comment
    assert len(repository.calls()) == 1
    assert repository.remote("branch", "--list", "add-paper/*") == ""
    assert load(repository.root)[0] is not None


def test_an_entry_that_exists_isnt_changed(repository):
    before = (repository.root / "catalog/papers/kestrel.yaml").read_bytes()
    repository.leave(**{"catalog/papers/kestrel.yaml": ENTRY})
    assert post.main() == 1
    assert "catalog/papers/kestrel.yaml is there already" in comments(repository)[0]
    assert (repository.root / "catalog/papers/kestrel.yaml").read_bytes() == before
    assert repository.remote("branch", "--list", "add-paper/*") == ""


# ------------------------------------------------------------------------------------------------------------ tricks


def link_entry(folder: Path) -> None:
    (folder / PLACE).parent.mkdir(parents=True)
    (folder / PLACE).symlink_to("/etc/passwd")


def link_message(folder: Path) -> None:
    (folder / "message.txt").unlink()
    (folder / "message.txt").symlink_to("/etc/passwd")


def link_folder(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/dunnock.yaml").write_text(ENTRY, encoding="utf-8")
    (folder / "catalog").mkdir()
    (folder / "catalog/papers").symlink_to("../elsewhere")


def link_all(folder: Path) -> None:
    folder.rename(folder.parent / "moved")
    folder.symlink_to("moved")


def pipe(folder: Path) -> None:
    (folder / PLACE).parent.mkdir(parents=True)
    os.mkfifo(folder / PLACE)


def folder_for_a_file(folder: Path) -> None:
    (folder / PLACE).mkdir(parents=True)


def no_text(folder: Path) -> None:
    (folder / PLACE).parent.mkdir(parents=True)
    (folder / PLACE).write_bytes(b"title: \xff\xfe")


def no_message(folder: Path) -> None:
    (folder / "message.txt").unlink()


def writes(**files: str) -> Callable[[Path], None]:
    def trick(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")

    return trick


TRICKS = {
    "a link as entry": (link_entry, "is no plain file"),
    "a link as message": (link_message, "is no plain file"),
    "a link as folder": (link_folder, "is no"),
    "a link as all of it": (link_all, "is no folder"),
    "a pipe": (pipe, "is no plain file"),
    "a folder in a file's place": (folder_for_a_file, "is no plain file"),
    "no text": (no_text, "isn't UTF-8"),
    "no message": (no_message, "found no message.txt"),
    "nothing": (lambda folder: (no_message(folder), folder.rmdir()), "is no folder"),
    "two entries": (writes(**{PLACE: ENTRY, "catalog/papers/wren.yaml": ENTRY}), "more than one entry"),
    "a dataset": (writes(**{"catalog/datasets/birds-11.yaml": "x"}), "catalog/datasets"),
    "the vocabulary": (writes(**{"catalog.yaml": "x"}), "'catalog.yaml'"),
    "a workflow": (writes(**{".github/workflows/x.yml": "x"}), "'.github'"),
    "code": (writes(**{"implementations/x.py": "x"}), "'implementations'"),
    "a file beside the papers": (writes(**{"catalog/papers/x.py": "x"}), "'catalog/papers/x.py'"),
    "a hidden file": (writes(**{"catalog/papers/.x.yaml": "x"}), "'catalog/papers/.x.yaml'"),
    "an id of dots": (writes(**{"catalog/papers/...yaml": "x"}), "'catalog/papers/...yaml'"),
    "an id in capitals": (writes(**{"catalog/papers/Wren.yaml": "x"}), "'catalog/papers/Wren.yaml'"),
    "an id with a line end": (writes(**{"catalog/papers/wren\n.yaml": "x"}), r"'catalog/papers/wren\n.yaml'"),
    "a folder below the papers": (writes(**{"catalog/papers/sub/wren.yaml": "x"}), "'catalog/papers/sub'"),
    "a huge entry": (writes(**{PLACE: "#" * (LARGEST["entry"] + 1)}), "has 100,001 bytes"),
    "a huge message": (writes(**{"message.txt": "#" * (LARGEST["message"] + 1)}), "has 1,000,001 bytes"),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_nothing_but_one_plain_entry_is_posted(repository, capsys, trick):
    repository.leave()
    play, said = TRICKS[trick]
    play(repository.root / FOLDER)
    before = git(repository.root, "status", "--porcelain", "--untracked-files=all")
    assert post.main() == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.splitlines()) == 1
    assert repository.calls() == []
    assert git(repository.root, "status", "--porcelain", "--untracked-files=all") == before
    assert repository.remote("branch", "--list") == "* main"


def test_a_name_that_leads_out_of_the_folder_isnt_a_papers(tmp_path):
    (tmp_path / "message.txt").write_text("said", encoding="utf-8")
    (tmp_path / "..%2f..%2fx.yaml").write_text("x", encoding="utf-8")
    with pytest.raises(Refusal, match=r"found '\.\.%2f\.\.%2fx\.yaml'"):
        read_artifact(tmp_path)


@pytest.mark.parametrize("number", ["", "0", "-1", "7; rm -rf .", "$(touch x)", "7\n8", "٧", "99999999999"])
def test_anything_but_a_number_is_no_issue(repository, monkeypatch, capsys, number):
    monkeypatch.setenv("ISSUE_NUMBER", number)
    repository.leave()
    assert post.main() == 2
    assert "ISSUE_NUMBER has to be an issue's number" in capsys.readouterr().err
    assert repository.calls() == []


def test_the_job_that_posts_runs_the_module_at_the_repositorys_root(repository):
    root = repository.root
    for name in ("tools", "implementations"):
        linked(root / name, ROOT / name)
    (root / ".venv").symlink_to(sys.prefix)
    program(root / ".ci/add-paper-post", (ROOT / ".ci/add-paper-post").read_text(encoding="utf-8"))
    repository.leave(**{"message.txt": "::error::no\n"})
    done = subprocess.run([root / ".ci/add-paper-post"], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"::stop-commands::[0-9a-f-]{36}\n", done.stdout)
    assert "```text\n::error::no\n```" in comments(repository)[0]


def test_where_the_workflow_failed_the_issue_is_told_in_the_one_comment_without_a_python(repository):
    program(repository.root / ".ci/add-paper-failed", (ROOT / ".ci/add-paper-failed").read_text(encoding="utf-8"))
    done = subprocess.run([repository.root / ".ci/add-paper-failed"], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ((arguments, comment),) = repository.calls()
    assert arguments == ["issue", "comment", "7", "--edit-last", "--create-if-none", "--body-file", "-"]
    assert "a maintainer has to look" in comment
    assert "can't read an issue of more than 128 KiB" in comment
