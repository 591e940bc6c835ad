"""Which addresses a branch adds. git is asked, and nothing but git; no shell is."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tools.draft import MANIFEST
from tools.links.collect import addresses, of_document
from tools.links.model import Target
from tools.reading import Refused, from_text

CATALOG = ("catalog", MANIFEST)


class NoComparison(Exception):
    """Nothing to compare with; the message says why, and what to do."""


def added_since(root: Path, ref: str, targets: Iterable[Target]) -> set[str]:
    """The addresses among all of the catalog's that stood nowhere where the branch left `ref`.

    Files that aren't committed yet count. Raises `NoComparison`.
    """
    base = _base(root, ref)
    changed = _changed(root, base)
    before = {url for path in changed for url in _addresses_at(root, base, path)}
    return {
        target.url for target in targets if target.url not in before and all(place.path in changed for place in target.places)
    }


def _base(root: Path, ref: str) -> str:
    """The commit at which the branch left `ref`."""
    commit = _asked(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if commit is None:
        inside = _asked(root, "rev-parse", "--is-inside-work-tree")
        raise NoComparison(
            f'no commit is called "{ref}" here; name a branch, tag or commit, such as origin/main, and fetch it first'
            if inside
            else f"{root} isn't in a git repository, so that there is nothing to compare with"
        )
    base = _asked(root, "merge-base", commit.strip(), "HEAD")
    if base is None:
        shallow = (_asked(root, "rev-parse", "--is-shallow-repository") or "").strip() == "true"
        more = "git fetch --unshallow brings the rest (in a workflow: fetch-depth: 0)" if shallow else "their histories are apart"
        raise NoComparison(f'"{ref}" and this branch have no commit in common; {more}')
    return base.strip()


def _changed(root: Path, base: str) -> set[str]:
    """The catalog's files that differ from a commit's, or weren't there; those that are gone, too."""
    differing = _asked(root, "diff-index", "--name-only", "--relative", "--no-renames", "-z", base, "--", *CATALOG)
    new = _asked(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *CATALOG)
    if differing is None or new is None:
        raise NoComparison(f"git couldn't compare the catalog with {base}; try: git diff {base} -- {' '.join(CATALOG)}")
    return {path for path in f"{differing}{new}".split("\0") if path.endswith(".yaml")}


def _addresses_at(root: Path, commit: str, path: str) -> set[str]:
    """The addresses of a file as it was; none where it wasn't there."""
    text = _asked(root, "cat-file", "blob", f"{commit}:./{path}")
    if text is None:
        return set()
    try:
        return of_document(from_text(text, path))
    except Refused:  # it was no YAML then: as good as one can, so that what was there isn't called new
        return {url for word in text.split() for url in addresses(f" {word}")}


def _asked(root: Path, *arguments: str) -> str | None:
    """What git prints; None where it fails."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise NoComparison("git isn't installed, so that there is nothing to compare with") from None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
