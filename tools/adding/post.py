"""Posts what came of an issue: an entry as a pull request, anything else as a comment on the issue.

    ISSUE_NUMBER=7 GH_TOKEN=… python -m tools.adding.post

What tools/adding/issue_form.py left in build/issue is data here, and not believed: it is one new file of catalog/papers, a plain
one and no large one, with which the catalog is valid, or it isn't posted. Exit code 0: posted; 1: refused, or git or gh failed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.adding.record import Refusal
from tools.catalog import load
from tools.normalize import replace
from tools.schema import ID_PATTERN

FOLDER = Path("build/issue")
MESSAGE = "message.txt"
ENTRY = re.compile(rf"catalog/papers/(?P<id>{ID_PATTERN.strip('^$')})\.yaml")
FOLDERS = {"catalog", "catalog/papers"}
LARGEST = {"entry": 100_000, "message": 1_000_000}
"""In bytes."""
LONGEST_QUOTE = 20_000
"""In characters; GitHub takes no comment of more than 65,536."""

BOT = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")
BY_GH = ("-c", "credential.helper=", "-c", "credential.helper=!gh auth git-credential")
"""git asks gh for the token, so that it stands in no file and no address."""

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


OWN = ".[] | select(.isCrossRepository | not) | .number"
OPEN = ("pr", "list", "--state", "open", "--json", "number,isCrossRepository", "--jq", OWN)
"""A fork may have a branch of the same name."""


class Failed(Exception):
    """git or gh failed; what it said is for the log."""


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
    for path in _files(folder, ""):
        entry = ENTRY.fullmatch(path)
        if path == MESSAGE:
            said = _text(folder / path, LARGEST["message"])
        elif not entry:
            raise Refusal(f"found {path!r}, expected {MESSAGE} and at most one catalog/papers/<id>.yaml")
        elif entry_id is not None:
            raise Refusal("found more than one entry, expected one")
        else:
            entry_id, text = entry["id"], _text(folder / path, LARGEST["entry"])
    if said is None:
        raise Refusal(f"found no {MESSAGE}")
    return Artifact(said, entry_id, text)


def _files(folder: Path, below: str) -> Iterator[str]:
    """The plain files in a folder, as paths. Raises Refusal for what is no plain file, and folders that don't belong there."""
    if folder.is_symlink() or not folder.is_dir():
        raise Refusal(f"{folder.name!r} is no folder")
    with os.scandir(folder) as found:
        for item in found:
            path = f"{below}{item.name}"
            if path in FOLDERS:
                yield from _files(folder / item.name, f"{path}/")
            elif item.is_file(follow_symlinks=False):
                yield path
            else:
                raise Refusal(f"found {path!r}, which is no plain file")


def _text(file: Path, largest: int) -> str:
    if (size := file.lstat().st_size) > largest:
        raise Refusal(f"{file.name} has {size:,} bytes, expected at most {largest:,}")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Refusal(f"{file.name} isn't UTF-8") from None


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


def quoted(text: str) -> str:
    """Text in a block of code that nothing in it can end: nobody is mentioned, nothing linked, no issue closed by it."""
    text = text.replace("\t", " ").strip()
    shown = "".join(character for character in text if character.isprintable() or character == "\n")
    if len(shown) > LONGEST_QUOTE:
        shown = f"{shown[:LONGEST_QUOTE]}\n(and {len(shown) - LONGEST_QUOTE:,} characters more)"
    fence = "`" * (max([2, *map(len, re.findall("`+", shown))]) + 1)
    return f"{fence}text\n{shown}\n{fence}"


# ------------------------------------------------------------------------------------------------------------- posting


def _propose(root: Path, number: int, file: Path, artifact: Artifact) -> int:
    """Commits the entry to the issue's branch, and opens a pull request where there is none yet."""
    branch = f"add-paper/issue-{number}"
    if not _push(root, branch, file):
        _comment(root, number, BY_HAND.format(branch=branch))
        return 1
    pull = re.search(r"\d+", _run(root, "gh", *OPEN, "--head", branch))
    if not pull:
        body = PULL_REQUEST.format(number=number, quoted=quoted(artifact.said))
        created = ("pr", "create", "--head", branch, "--title", f"Add {artifact.entry_id}", "--body-file", "-")
        try:
            pull = re.search(r"\d+$", _run(root, "gh", *created, given=body).strip())
        except Failed:
            _comment(root, number, NOT_OPENED.format(branch=branch))
            raise
    _comment(root, number, PROPOSED.format(pull=pull[0]) if pull else f"The entry is proposed on the branch `{branch}`.")
    return 0


def _push(root: Path, branch: str, file: Path) -> bool:
    """Makes the branch anew, of the entry alone; False, and nothing is pushed, where its last commit is somebody else's."""
    name, address = BOT
    found = _run(root, "git", *BY_GH, "ls-remote", "--heads", "origin", f"refs/heads/{branch}").split()
    if found:
        _run(root, "git", *BY_GH, "fetch", "--quiet", "--depth=1", "origin", found[1])
        if _run(root, "git", "log", "-1", "--format=%ce", "FETCH_HEAD").strip() != address:
            return False
    path = str(file.relative_to(root))
    _run(root, "git", "switch", "--quiet", "--force-create", branch)
    _run(root, "git", "add", "--", path)
    identity = ("-c", f"user.name={name}", "-c", f"user.email={address}")
    _run(root, "git", *identity, "commit", "--quiet", "--message", f"Add {file.stem}", "--", path)
    lease = f"--force-with-lease=refs/heads/{branch}:{found[0] if found else ''}"
    _run(root, "git", *BY_GH, "push", "--quiet", lease, "origin", f"HEAD:refs/heads/{branch}")
    return True


def _comment(root: Path, number: int, text: str) -> None:
    """Says it on the issue, in the one comment that is kept up to date there."""
    _run(root, "gh", "issue", "comment", str(number), "--edit-last", "--create-if-none", "--body-file", "-", given=text)


def _run(root: Path, *command: str, given: str = "") -> str:
    """What a program prints. Raises Failed with what it complains of."""
    done = subprocess.run(command, cwd=root, input=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = [word for word in command if not word.startswith("-") and "=" not in word]
        raise Failed(f"{' '.join(words[:3])} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
