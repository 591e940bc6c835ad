"""Posts what came of an issue: an entry as a pull request, anything else as a comment on the issue.

    ISSUE_NUMBER=7 GH_TOKEN=… python -m tools.adding.post

What tools/adding/issue_form.py left in build/issue is data here, and not believed: it is one new file of catalog/papers, a plain
one and no large one, with which the catalog is valid, or it isn't posted. Exit code 0: posted; 1: refused, or git or gh failed.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.catalog import load
from tools.normalize import replace
from tools.posting import Failed, Refusal, open_pull_request, plain_files, push, quoted, read_text, run
from tools.schema import ID_PATTERN

FOLDER = Path("build/issue")
MESSAGE = "message.txt"
ENTRY = re.compile(rf"catalog/papers/(?P<id>{ID_PATTERN.strip('^$')})\.yaml")
FOLDERS = {"catalog", "catalog/papers"}
LARGEST = {"entry": 100_000, "message": 1_000_000}
"""In bytes."""

NO_ENTRY = """No entry could be made of this issue:

{quoted}

Edit the issue, and it is read again."""
PROPOSED = "The entry is proposed in #{pull}. Where it is wrong, edit this issue, and it is made anew."
NOT_OPENED = """The entry is valid and stands on the branch `{branch}`, but no pull request could be opened for it.

For a maintainer: the repository's settings have to allow it (Actions, General, "Allow GitHub Actions to create and approve pull
requests"). Then take the label off this issue and put it on again; or open the pull request by hand."""
BY_HAND = """The branch `{branch}` has commits by hand, and the entry isn't made anew over them. Correct it there."""
PULL_REQUEST = """Closes #{number}, of which this entry was made. `make check` says that the catalog is valid with it.

The command said:

{quoted}

For a reviewer:

- [ ] The title, the authors and the ids are this paper's
- [ ] Each value stands where its source says
- [ ] The summary is in somebody's own words, and tells the idea

This pull request was opened by a workflow, so that its own workflows wait: press "Approve workflows to run", or close it and
open it again. Edits of the issue change the branch until somebody else has committed to it."""


@dataclass(frozen=True)
class Artifact:
    """What the reading job left: what was said, and an entry's id and text where there is one."""

    said: str
    entry_id: str | None
    text: str


def main() -> int:
    """Reads the environment, works in the repository that is the current folder; returns the exit code."""
    number = os.environ.get("ISSUE_NUMBER", "")
    if not re.fullmatch(r"[1-9][0-9]{0,9}", number):
        print("finch: ISSUE_NUMBER has to be an issue's number", file=sys.stderr)
        return 2
    try:
        return post(Path.cwd(), int(number))
    except (Refusal, Failed) as error:
        print(f"finch: {error}", file=sys.stderr)
        return 1


def post(root: Path, number: int) -> int:
    """Posts what is in `FOLDER`; returns the exit code.

    Raises Refusal for what mustn't be there, Failed where git or gh failed.
    """
    artifact = read_artifact(root / FOLDER)
    if artifact.entry_id is None:
        _comment(root, number, NO_ENTRY.format(quoted=quoted(artifact.said)))
        return 0
    try:
        file = place(root, artifact.entry_id, artifact.text)
    except Refusal as refusal:
        _comment(root, number, NO_ENTRY.format(quoted=quoted(str(refusal))))
        return 1
    return _propose(root, number, file, artifact)


# ------------------------------------------------------------------------------------------------------ what was left


def read_artifact(folder: Path) -> Artifact:
    """What the folder holds: message.txt, and at most one entry at its place. Raises Refusal for anything else."""
    said, entry_id, text = None, None, ""
    for path in plain_files(folder, FOLDERS):
        entry = ENTRY.fullmatch(path)
        if path == MESSAGE:
            said = read_text(folder / path, LARGEST["message"])
        elif not entry:
            raise Refusal(f"found {path!r}, expected {MESSAGE} and at most one catalog/papers/<id>.yaml")
        elif entry_id is not None:
            raise Refusal("found more than one entry, expected one")
        else:
            entry_id, text = entry["id"], read_text(folder / path, LARGEST["entry"])
    if said is None:
        raise Refusal(f"found no {MESSAGE}")
    return Artifact(said, entry_id, text)


def place(root: Path, entry_id: str, text: str) -> Path:
    """Writes the entry to its place and validates the catalog with it; returns its file.

    Raises Refusal, and leaves nothing there, where that isn't free or the catalog isn't valid.
    """
    file = root / "catalog" / "papers" / f"{entry_id}.yaml"
    if file.exists() or file.is_symlink():
        raise Refusal(f"catalog/papers/{entry_id}.yaml is there already; an issue is for a new entry")
    replace(file, text)
    catalog, problems = load(root)
    if catalog is None:
        file.unlink()
        raise Refusal("\n".join(str(problem) for problem in problems if problem.level == "error"))
    return file


# ------------------------------------------------------------------------------------------------------------- posting


def _propose(root: Path, number: int, file: Path, artifact: Artifact) -> int:
    """Commits the entry to the issue's branch, and opens a pull request where there is none yet."""
    branch = f"add-paper/issue-{number}"
    subject = f"Add {artifact.entry_id}"
    if not push(root, branch, file, subject):
        _comment(root, number, BY_HAND.format(branch=branch))
        return 1
    try:
        pull = open_pull_request(root, branch, subject, PULL_REQUEST.format(number=number, quoted=quoted(artifact.said)))
    except Failed:
        _comment(root, number, NOT_OPENED.format(branch=branch))
        raise
    _comment(root, number, PROPOSED.format(pull=pull) if pull else f"The entry is proposed on the branch `{branch}`.")
    return 0


def _comment(root: Path, number: int, text: str) -> None:
    """Says it on the issue, in the one comment that is kept up to date there."""
    run(root, "gh", "issue", "comment", str(number), "--edit-last", "--create-if-none", "--body-file", "-", given=text)


if __name__ == "__main__":
    sys.exit(main())
