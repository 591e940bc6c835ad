"""What jobs that may write share: reading what another job left, which is not believed; and posting with git and gh.

Programs get lists of arguments, and no shell sees them. A stranger's words are quoted, so that they do nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

BOT = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")
BY_GH = ("-c", "credential.helper=", "-c", "credential.helper=!gh auth git-credential")
"""git asks gh for the token, so that it stands in no file and no address."""
LONGEST_QUOTE = 20_000
"""In characters; GitHub takes no text of more than 65,536."""
OWN = ".[] | select(.isCrossRepository | not) | .number"
OPEN = ("pr", "list", "--state", "open", "--json", "number,isCrossRepository", "--jq", OWN)
"""A fork may have a branch of the same name."""


class Refusal(Exception):
    """What another job left isn't what it may leave: what was found, and what was expected."""


class Failed(Exception):
    """git or gh failed; what it said is for the log."""


# ------------------------------------------------------------------------------------------------------- what was left


def plain_files(folder: Path, folders: Collection[str] = (), below: str = "") -> Iterator[str]:
    """The plain files in a folder, and below it in the named `folders`, as paths. Raises `Refusal` for anything else there."""
    if folder.is_symlink() or not folder.is_dir():
        raise Refusal(f"{folder.name!r} is no folder")
    with os.scandir(folder) as found:
        for item in found:
            path = f"{below}{item.name}"
            if path in folders:
                yield from plain_files(folder / item.name, folders, f"{path}/")
            elif item.is_file(follow_symlinks=False):
                yield path
            else:
                raise Refusal(f"found {path!r}, which is no plain file")


def read_text(file: Path, largest: int) -> str:
    """A file's text. Raises `Refusal` where it has more bytes than `largest`, or isn't UTF-8."""
    if (size := file.lstat().st_size) > largest:
        raise Refusal(f"{file.name} has {size:,} bytes, expected at most {largest:,}")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Refusal(f"{file.name} isn't UTF-8") from None


# -------------------------------------------------------------------------------------------------------------- quoting


def quoted(text: str, longest: int = LONGEST_QUOTE) -> str:
    """Text in a block of code that nothing in it can end: nobody is mentioned, nothing linked, no issue closed by it."""
    text = text.replace("\t", " ").strip()
    shown = "".join(character for character in text if character.isprintable() or character == "\n")
    if len(shown) > longest:
        shown = f"{shown[:longest]}\n(and {len(shown) - longest:,} characters more)"
    fence = "`" * (max([2, *map(len, re.findall("`+", shown))]) + 1)
    return f"{fence}text\n{shown}\n{fence}"


# -------------------------------------------------------------------------------------------------------------- posting


def push(root: Path, branch: str, file: Path, subject: str) -> bool:
    """Makes the branch anew, of one file; False, and nothing is pushed, where its last commit is somebody else's.

    Raises `Failed`.
    """
    name, address = BOT
    found = run(root, "git", *BY_GH, "ls-remote", "--heads", "origin", f"refs/heads/{branch}").split()
    if found:
        run(root, "git", *BY_GH, "fetch", "--quiet", "--depth=1", "origin", found[1])
        if run(root, "git", "log", "-1", "--format=%ce", "FETCH_HEAD").strip() != address:
            return False
    path = str(file.relative_to(root))
    run(root, "git", "switch", "--quiet", "--force-create", branch)
    run(root, "git", "add", "--", path)
    identity = ("-c", f"user.name={name}", "-c", f"user.email={address}")
    run(root, "git", *identity, "commit", "--quiet", "--message", subject, "--", path)
    lease = f"--force-with-lease=refs/heads/{branch}:{found[0] if found else ''}"
    run(root, "git", *BY_GH, "push", "--quiet", lease, "origin", f"HEAD:refs/heads/{branch}")
    return True


def open_pull_request(root: Path, branch: str, title: str, body: str) -> int | None:
    """The number of the branch's open pull request, which is opened where there is none; None where gh didn't say it.

    Raises `Failed`.
    """
    found = re.search(r"\d+", run(root, "gh", *OPEN, "--head", branch))
    if not found:
        created = run(root, "gh", "pr", "create", "--head", branch, "--title", title, "--body-file", "-", given=body)
        found = re.search(r"\d+$", created.strip())
    return int(found[0]) if found else None


def run(root: Path, *command: str, given: str = "") -> str:
    """What a program prints. Raises `Failed` with what it complains of."""
    done = subprocess.run(command, cwd=root, input=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = [word for word in command if not word.startswith("-") and "=" not in word]
        raise Failed(f"{' '.join(words[:3])} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout
