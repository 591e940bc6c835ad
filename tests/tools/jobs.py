"""What posting is tested with: a real git with a bare remote, and a program in gh's place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.adding.places import program

GH = """#!{python}
import json, sys
from pathlib import Path

given = sys.stdin.read() if "-" in sys.argv else ""
with open("{folder}/calls", "a") as calls:
    calls.write(json.dumps([sys.argv[1:], given]) + "\\n")
answer = Path("{folder}") / "-".join(sys.argv[1:3])
if answer.exists():
    text = answer.read_text()
    if text == "fails":
        sys.exit("gh: GitHub Actions is not permitted to create or approve pull requests (createPullRequest)")
    print(text)
"""


def git(where: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=where, capture_output=True, text=True, check=True).stdout


class Repository:
    """A clone of a bare remote that holds the invented catalog, and a `gh` that notes what it is asked, and answers from files."""

    def __init__(self, root: Path, tmp_path: Path, folder: Path, always: dict[str, str]) -> None:
        self.root, self.gh, self.folder, self.always = root, tmp_path / "gh", folder, always
        self.gh.mkdir()
        program(self.gh / "bin/gh", GH.format(python=sys.executable, folder=self.gh))
        (root / ".gitignore").write_text("/build/\n", encoding="utf-8")
        git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
        git(root, "init", "--quiet", "--initial-branch=main")
        git(root, "remote", "add", "origin", str(tmp_path / "remote.git"))
        self.commit("Start", "ada@example.org")
        git(root, "push", "--quiet", "origin", "main")

    def commit(self, subject: str, address: str) -> None:
        git(self.root, "add", "--all")
        git(self.root, "-c", "user.name=A", "-c", f"user.email={address}", "commit", "--quiet", "--allow-empty", "-m", subject)

    def leave(self, **files: str) -> None:
        """What another job left: some files, beside those that it always leaves."""
        for name, text in (self.always | files).items():
            file = self.root / self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")

    def calls(self) -> list[tuple[list[str], str]]:
        file = self.gh / "calls"
        return [tuple(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []

    def fresh(self) -> None:
        """As the job finds it: main checked out, nothing else there."""
        git(self.root, "switch", "--quiet", "--force", "main")
        git(self.root, "clean", "--quiet", "--force", "-d")

    def remote(self, *arguments: str) -> str:
        return git(self.root, "--git-dir", str(self.root.parent / "remote.git"), *arguments).strip()


def repository_of(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path, **always: str) -> Repository:
    """The repository that a posting job works in, as the current folder, with the fake `gh` before others."""
    made = Repository(tree, tmp_path, folder, always)
    monkeypatch.setenv("PATH", f"{made.gh}/bin:{os.environ['PATH']}")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL", "GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.chdir(tree)
    return made
