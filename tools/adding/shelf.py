"""The catalog as it stands, and as it would stand with one entry more: what is there already, and whether all of it is valid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tools.adding.people import same_people
from tools.adding.record import Refusal
from tools.adding.titles import SAME_FROM, same_title, score
from tools.draft import MANIFEST, read_all, with_documents
from tools.problems import Problem
from tools.reading import Document, Refused, from_text
from tools.rules import check, errors
from tools.rules.duplicates import letters
from tools.schema import Paper

LONGEST_WAIT = 60
"""Seconds for which another run may hold the catalog."""


class Shelf:
    """The catalog below a folder. Raises Refusal where it isn't valid as it is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._read()

    def _read(self) -> None:
        self.stamp = self._stamp()
        self.draft = read_all(self.root)
        problems = errors(self.draft)
        if problems or self.draft.manifest is None:
            raise Refusal(
                f"the catalog isn't valid as it is ({len(problems)} error{'s' * (len(problems) != 1)}, the first: {problems[0]});"
                " mend that first: make check"
            )

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """While nobody else adds a paper; gives whether others have, so that the catalog was read again. Raises Refusal."""
        lock = self.root / "build" / "add_paper.lock"
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(lock, timeout=LONGEST_WAIT):
                changed = self._stamp() != self.stamp
                if changed:
                    self._read()
                yield changed
                self.stamp = self._stamp()
        except Timeout:
            raise Refusal(
                f"another add_paper has been writing for {LONGEST_WAIT} s ({lock}); try again when it is done"
            ) from None

    def _stamp(self) -> list[tuple[str, int, int]]:
        """What tells whether a file of the catalog has changed."""
        files = [self.root / MANIFEST, *(self.root / "catalog").glob("*/*.yaml")]
        return sorted((str(file), stat.st_mtime_ns, stat.st_size) for file in files if (stat := file.stat()))

    def document(self, entry_id: str) -> Document:
        """The file of a paper's entry."""
        return self.draft.document("papers", entry_id)

    def twin(self, data: Mapping[str, Any]) -> tuple[str, str, str] | None:
        """Kind and id of the entry that is of the same paper, and how one can see it."""
        ids, title = data.get("ids", {}), letters(data.get("title", ""))
        for kind in ("papers", "surveys"):
            for entry_id, entry in self.draft.entries[kind].items():
                theirs = entry.ids.model_dump() if entry.ids else {}
                if ids.get("arxiv") and ids["arxiv"] == theirs.get("arxiv"):
                    return kind, entry_id, f"arXiv id {ids['arxiv']}"
                if ids.get("doi") and ids["doi"].lower() == (theirs.get("doi") or "").lower():
                    return kind, entry_id, f"DOI {ids['doi']}"
                if title and (title == letters(entry.title) or _alike(data, entry)):
                    return kind, entry_id, f'title "{entry.title}"'
        return None

    def near(self, data: Mapping[str, Any]) -> list[str]:
        """What to tell of papers by the same people whose titles are nearly this one."""
        papers = self.draft.entries["papers"].items()
        like = [(entry_id, entry) for entry_id, entry in papers if score(data["title"], entry.title) >= SAME_FROM]
        return [
            f'catalog/papers/{entry_id}.yaml is by the same people and has nearly this title: "{entry.title}"; is it this paper?'
            for entry_id, entry in like
            if same_people(data["authors"], entry.authors)
        ]

    def title(self, entry_id: str) -> str:
        """A paper's title in quotes."""
        return f'"{self.draft.entries["papers"][entry_id].title}"'

    def problems_with(self, entry_id: str, text: str) -> list[Problem]:
        """Everything that is wrong with the catalog once it has this entry, which it then has unless something is an error."""
        name = f"catalog/papers/{entry_id}.yaml"
        try:
            draft = with_documents(self.draft, {name: from_text(text, name)})
        except Refused as refused:
            return refused.problems
        if draft.problems:
            return draft.problems
        problems = sorted(set(check(draft)))
        if not any(problem.level == "error" for problem in problems):
            self.draft = draft
        return [problem for problem in problems if problem.level == "error" or problem.path == name]


def _alike(data: Mapping[str, Any], entry: Paper) -> bool:
    return same_title(data["title"], entry.title) and same_people(data.get("authors", ()), entry.authors)
