"""From what was asked for to a file: one paper after the other, each with an outcome."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tools.adding import guesses
from tools.adding.asked import Asked
from tools.adding.asking import Asker
from tools.adding.entry import Words, missing, new_entry, updated
from tools.adding.gather import Gathered, describe, differs, gather, offline
from tools.adding.merge import Facts, Stated, merge
from tools.adding.record import NoAnswer, Record, Refusal
from tools.adding.scaffold import scaffold
from tools.adding.shelf import Shelf
from tools.adding.web import Web
from tools.comments import Comments, read_comments
from tools.normalize import replace as replace_file
from tools.normalize import write
from tools.problems import Problem
from tools.reading import Document
from tools.schema import ID_PATTERN, Paper

WITHOUT_A_NETWORK = (
    "Try again later; or save its BibTeX to a file, which needs no network: python tools/add_paper.py --offline paper.bib"
)


@dataclass(kw_only=True)
class Outcome:
    """What became of one paper."""

    asked: str
    status: str = "refused"
    """added, updated, unchanged, scaffolded, refused; with --dry-run "would be added", "would be updated"."""
    id: str | None = None
    text: str | None = None
    """The entry, as it is now or would be."""
    diff: str | None = None
    """What --update changes."""
    error: str | None = None
    missing: dict[str, str] = field(default_factory=dict)
    """What has to be said yet, and how."""
    disagreements: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    """What was written."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """How a paper is to be added."""

    words: Words
    stated: Stated
    today: datetime.date
    update: bool = False
    scaffold: bool = False
    dry_run: bool = False
    same_paper: bool = False


@dataclass
class Adder:
    """Adds papers to a catalog. Without `web` nothing is looked up, without `asker` nobody is asked."""

    shelf: Shelf
    wishes: Wishes
    web: Web | None = None
    asker: Asker | None = None

    def add(self, asked: Asked, of_arxiv: Mapping[str, Record | Refusal]) -> Outcome:
        """Adds or updates one paper; a refusal is an outcome, too."""
        outcome = Outcome(asked=asked.text)
        try:
            if asked.entry:
                self._known(asked, outcome, of_arxiv)
            else:
                found = self._gather(asked, of_arxiv)
                self._place(found, outcome)
        except NoAnswer as reason:
            outcome.error = f"{reason}\n{WITHOUT_A_NETWORK}"
        except Refusal as reason:
            outcome.error = str(reason)
        return outcome

    def _gather(self, asked: Asked, of_arxiv: Mapping[str, Record | Refusal]) -> Gathered:
        if self.web is None:
            return offline(asked)
        return gather(asked, self.web, of_arxiv, same_paper=self.wishes.same_paper)

    def _place(self, found: Gathered, outcome: Outcome) -> None:
        facts = merge(found, self.shelf.draft.manifest, self.wishes.stated)
        outcome.disagreements = facts.disagreements
        twin = self.shelf.twin(facts.data)
        if twin is None:
            outcome.notes = found.notes
            self._new(found, facts, outcome)
            return
        kind, entry_id, how = twin
        place = f"catalog/{kind}/{entry_id}.yaml"
        if kind != "papers":
            raise Refusal(f"{place} is of this paper already (same {how}); a survey's entry is changed by hand")
        if not self.wishes.update and not self._agreed(f"{place} is of this paper already (same {how}). Fill up what it lacks?"):
            raise Refusal(f"{place} is of this paper already (same {how}); --update fills up what it lacks")
        outcome.notes = found.notes
        self._update(entry_id, facts, found.records[0], outcome)

    def _agreed(self, question: str) -> bool:
        return self.asker is not None and self.asker.confirm(question)

    # ------------------------------------------------------------------------------------------------------ a new entry

    def _new(self, found: Gathered, facts: Facts, outcome: Outcome) -> None:
        if lost := [facts.missing[name] for name in ("title", "authors") if name in facts.missing]:
            raise Refusal("; ".join(lost))
        words = self._words(found, facts)
        data = new_entry(facts, words, self.wishes.today)
        outcome.text = write(data, Paper)
        outcome.missing = missing(data, facts)
        if outcome.missing:
            raise Refusal("the entry isn't complete, and nothing was written")
        outcome.id = words.id or guesses.entry_id(data["title"], data.get("name"), data["authors"], data["year"])
        if not re.fullmatch(ID_PATTERN, outcome.id):
            raise Refusal(f'found --id "{outcome.id}", expected lower-case letters and digits with single hyphens between')
        if outcome.id in self.shelf.draft.ids["papers"]:
            raise Refusal(
                f"the id {outcome.id} is taken by another paper, {self.shelf.title(outcome.id)}; give one of its own: --id"
            )
        outcome.notes += self.shelf.near(data)
        self._check(outcome)
        if self.asker and not self.wishes.dry_run:
            self.asker.console.print(f"\n{outcome.text}", markup=False, highlight=False)
            if not self.asker.confirm(f"Write catalog/papers/{outcome.id}.yaml?"):
                raise Refusal("nothing was written, as you wished")
        self._write(outcome, "added", data)

    def _words(self, found: Gathered, facts: Facts) -> Words:
        words = self.wishes.words
        words = replace(
            words, summary=words.summary or next((record.summary for record in found.records if record.summary), None)
        )
        if self.asker:
            return self.asker.complete(facts, words, found.records)
        abstract = next((record.abstract for record in found.records if record.abstract), None)
        guess = guesses.name(facts.data["title"], abstract)
        self._suggest(found, facts, words)
        return words if words.name or guess is None else replace(words, name=guess[0])

    def _suggest(self, found: Gathered, facts: Facts, words: Words) -> None:
        """Tells somebody who can't be asked what would have been suggested."""
        abstract = next((record.abstract for record in found.records if record.abstract), None)
        if not words.approaches:
            guessed = guesses.groups(self.shelf.draft.manifest.approaches, facts.data["title"], abstract)
            found.notes += [f"--approach {word} suggests itself: {why}" for word, why in guessed.items()]
        code = guesses.code(abstract, *(record.comment for record in found.records))
        if code and code not in words.code:
            found.notes.append(f"the authors name their code: --code {code}")

    # ----------------------------------------------------------------------------------------------- an entry that is there

    def _known(self, asked: Asked, outcome: Outcome, of_arxiv: Mapping[str, Record | Refusal]) -> None:
        """What was asked for is the id of an entry."""
        document = self.shelf.document(asked.entry)
        if self.wishes.update:
            itself = record_of(document)
            found = Gathered(asked, [itself])
            if self.web and (itself.arxiv or itself.doi):
                found = gather(replace(asked, record=itself), self.web, of_arxiv, same_paper=self.wishes.same_paper)
            outcome.notes = found.notes
            found.records = found.records[1:]
            facts = merge(found, self.shelf.draft.manifest, self.wishes.stated) if found.records else Facts()
            outcome.disagreements = facts.disagreements
            self._update(asked.entry, facts, itself, outcome)
        elif self.wishes.scaffold:
            outcome.id, outcome.status = asked.entry, "scaffolded"
            self._scaffold(outcome, document.data)
        else:
            raise Refusal(
                f"{document.path} is there already; --update fills up what it lacks, --scaffold starts its implementation"
            )

    def _update(self, entry_id: str, facts: Facts, record: Record, outcome: Outcome) -> None:
        document = self.shelf.document(entry_id)
        itself = record_of(document)
        if not self.wishes.same_paper and (difference := differs(itself, record)):
            raise Refusal(
                f"{difference}\n  the entry: {describe(itself)}\n  found:     {describe(record)}\n"
                "Correct the id; or, if you looked and it is one paper under two titles, say so: --same-paper"
            )
        data, against = updated(document.data, facts, self.wishes.words)
        for name in ("venue", "year"):
            if facts.by.get(name) == "stated":
                data[name] = facts.data[name]
        outcome.id = entry_id
        outcome.disagreements = [*outcome.disagreements, *against]
        outcome.text = write(data, Paper, read_comments(document) if "#" in document.text else Comments())
        if outcome.text == document.text:
            outcome.status = "unchanged"
        else:
            before, after = document.text.splitlines(), outcome.text.splitlines()
            outcome.diff = "\n".join(difflib.unified_diff(before, after, document.path, document.path, lineterm=""))
            self._check(outcome)
            self._write(outcome, "updated", data)
        if outcome.status == "unchanged" and self.wishes.scaffold:
            self._scaffold(outcome, data)

    # ------------------------------------------------------------------------------------------------------------- writing

    def _check(self, outcome: Outcome) -> None:
        """Validates the whole catalog with the entry as it would be."""
        outcome.problems = self.shelf.problems_with(outcome.id, outcome.text)
        if any(problem.level == "error" for problem in outcome.problems):
            raise Refusal("the catalog wouldn't be valid with it, and nothing was written")

    def _write(self, outcome: Outcome, status: str, data: Mapping[str, Any]) -> None:
        if self.wishes.dry_run:
            outcome.status = f"would be {status}"
            return
        file = self.shelf.root / f"catalog/papers/{outcome.id}.yaml"
        if status == "added" and file.exists():
            raise Refusal(f"catalog/papers/{outcome.id}.yaml came into being meanwhile; nothing was written")
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, outcome.text)
        outcome.status = status
        outcome.files.append(self._name(file))
        if self.wishes.scaffold:
            self._scaffold(outcome, data)

    def _scaffold(self, outcome: Outcome, data: Mapping[str, Any]) -> None:
        if not self.wishes.dry_run:
            outcome.files += map(self._name, scaffold(self.shelf.root, outcome.id, data))

    def _name(self, file: Path) -> str:
        return file.relative_to(self.shelf.root).as_posix()


def record_of(document: Document) -> Record:
    """What an entry says of its paper, to hold others' answers against."""
    data, ids = document.data, document.data.get("ids", {})
    return Record(
        source="the entry",
        where=document.path,
        title=data["title"],
        authors=tuple(data["authors"]),
        arxiv=ids.get("arxiv"),
        doi=ids.get("doi"),
    )
