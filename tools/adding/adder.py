"""From what was asked for to a file: one paper after the other, each with an outcome."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tools.adding import guesses
from tools.adding.asked import Asked
from tools.adding.asking import Asker
from tools.adding.entry import Words, cure, missing, new_entry, updated
from tools.adding.gather import Gathered, gather, offline, refuse_another
from tools.adding.merge import Facts, Stated, merge
from tools.adding.record import NoAnswer, Record, Refusal
from tools.adding.scaffold import LONGEST_ID, planned, scaffold
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
    """added, updated, unchanged, scaffolded, refused; with --dry-run "would be added" and so on."""
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
    told: bool = False
    """Whether disagreements and notes were shown already, to somebody who was asked."""

    def remarks(self) -> list[str]:
        """What to look at, a line each."""
        return [*(f"disagreement: {line}" for line in self.disagreements), *(f"note: {line}" for line in self.notes)]


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
                self._place(self._gather(asked, of_arxiv), outcome)
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
        """Makes a new entry of it, or leads to the one that is there."""
        facts = merge(found, self.shelf.draft.manifest, self.wishes.stated)
        twin = self.shelf.twin(facts.data)
        if twin is None:
            self._remark(outcome, facts, found)
            self._new(found, facts, outcome)
            return
        kind, entry_id, how = twin
        there = f"catalog/{kind}/{entry_id}.yaml is of this paper already (same {how})"
        if kind != "papers":
            raise Refusal(f"{there}; a survey's entry is changed by hand")
        if not self.wishes.same_paper:
            refuse_another(record_of(self.shelf.document(entry_id)), found.records[0], "the entry:")
        if not (self.wishes.update or (self.asker and self.asker.confirm(f"{there}. Fill up what it lacks?"))):
            raise Refusal(f"{there}; --update fills up what it lacks")
        self._remark(outcome, facts, found)
        self._update(entry_id, facts, outcome)

    def _remark(self, outcome: Outcome, facts: Facts, found: Gathered) -> None:
        outcome.disagreements, outcome.notes = facts.disagreements, [*facts.notes, *found.notes]

    # ------------------------------------------------------------------------------------------------------ a new entry

    def _new(self, found: Gathered, facts: Facts, outcome: Outcome) -> None:
        if lost := {name: cure(name, facts) for name in ("title", "authors") if name in facts.missing}:
            outcome.missing = lost
            raise Refusal("too little is known of it, and nothing was written")
        outcome.notes += self.shelf.near(facts.data)
        words = self._words(found, facts, outcome)
        data = new_entry(facts, words, self.wishes.today)
        outcome.text = write(data, Paper)
        outcome.missing = missing(data, facts)
        if outcome.missing:
            raise Refusal("the entry isn't complete, and nothing was written")
        outcome.id = words.id or guesses.entry_id(data["title"], data.get("name"), data["authors"], data["year"])
        self._refuse_wrong_id(outcome.id)
        self._check(outcome)
        if self.asker and not self.wishes.dry_run:
            self._confirm(outcome)
        self._write(outcome, "added", data, before=None)

    def _words(self, found: Gathered, facts: Facts, outcome: Outcome) -> Words:
        """What the contributor says of it: by options, in the file's annotation, and in answers where somebody can be asked."""
        words = self.wishes.words
        words = replace(
            words, summary=words.summary or next((record.summary for record in found.records if record.summary), None)
        )
        if self.asker:
            self.asker.tell(outcome.remarks())
            outcome.told = True
            return self.asker.complete(facts, words, found.records)
        outcome.notes += self._suggestions(found, facts, words)
        guess = guesses.name(facts.data["title"], found.abstract)
        return words if words.name or guess is None else replace(words, name=guess[0])

    def _suggestions(self, found: Gathered, facts: Facts, words: Words) -> Iterator[str]:
        """What would have been suggested to somebody who can be asked."""
        if not words.approaches:
            guessed = guesses.groups(self.shelf.draft.manifest.approaches, facts.data["title"], found.abstract)
            yield from (f"--approach {word} suggests itself: {why}" for word, why in guessed.items())
        code = guesses.code(found.abstract, found.comment)
        if code and code not in words.code:
            yield f"the authors name their code: --code {code}"

    def _refuse_wrong_id(self, entry_id: str) -> None:
        if not re.fullmatch(ID_PATTERN, entry_id) or len(entry_id) > LONGEST_ID:
            raise Refusal(
                f'found the id "{entry_id[:200]}", expected lower-case letters and digits with single hyphens between, at most'
                f" {LONGEST_ID}; give one: --id"
            )
        if entry_id in self.shelf.draft.ids["papers"]:
            raise Refusal(f"the id {entry_id} is taken by another paper, {self.shelf.title(entry_id)}; give one of its own: --id")

    def _confirm(self, outcome: Outcome) -> None:
        """Shows the entry and what a reviewer would say of it. Raises Refusal where it isn't to be written."""
        self.asker.console.print(f"\n{outcome.text}", markup=False, highlight=False)
        self.asker.tell(f"{problem.level}: {problem}" for problem in outcome.problems)
        if not self.asker.confirm(f"Write catalog/papers/{outcome.id}.yaml?"):
            raise Refusal("nothing was written, as you wished")

    # ----------------------------------------------------------------------------------------------- an entry that is there

    def _known(self, asked: Asked, outcome: Outcome, of_arxiv: Mapping[str, Record | Refusal]) -> None:
        """What was asked for is the id of an entry."""
        document = self.shelf.document(asked.entry)
        if self.wishes.update:
            itself = record_of(document)
            found = Gathered(asked, [itself])
            if self.web and (itself.arxiv or itself.doi):
                found = gather(replace(asked, record=itself), self.web, of_arxiv, same_paper=self.wishes.same_paper)
            found.records = found.records[1:]
            facts = merge(found, self.shelf.draft.manifest, Stated()) if found.records else Facts()
            self._remark(outcome, facts, found)
            self._update(asked.entry, facts, outcome)
        elif self.wishes.scaffold:
            outcome.id, outcome.status = asked.entry, "would be scaffolded" if self.wishes.dry_run else "scaffolded"
            self._scaffold(outcome, document.data)
        else:
            raise Refusal(
                f"{document.path} is there already; --update fills up what it lacks, --scaffold starts its implementation"
            )

    def _update(self, entry_id: str, facts: Facts, outcome: Outcome) -> None:
        document, words = self.shelf.document(entry_id), self.wishes.words
        if words.id not in (None, entry_id):
            raise Refusal(f"the entry's id is {entry_id}; for another one, rename the file, and put the old id under formerly")
        data, against = updated(document.data, facts, words, self.wishes.stated)
        outcome.id = entry_id
        outcome.disagreements = [*outcome.disagreements, *against]
        outcome.text = write(data, Paper, read_comments(document) if "#" in document.text else Comments())
        if outcome.text == document.text:
            outcome.status = "unchanged"
            if self.wishes.scaffold:
                self._scaffold(outcome, data)
            return
        before, after = document.text.splitlines(), outcome.text.splitlines()
        outcome.diff = "\n".join(difflib.unified_diff(before, after, document.path, document.path, lineterm=""))
        self._check(outcome)
        self._write(outcome, "updated", data, before=document.text)

    # ------------------------------------------------------------------------------------------------------------- writing

    def _check(self, outcome: Outcome) -> None:
        """Validates the whole catalog with the entry as it would be, and whether its implementation can be started."""
        if self.wishes.scaffold:
            planned(self.shelf.root, outcome.id)
        outcome.problems = self.shelf.problems_with(outcome.id, outcome.text)
        if any(problem.level == "error" for problem in outcome.problems):
            raise Refusal("the catalog wouldn't be valid with it, and nothing was written")

    def _write(self, outcome: Outcome, status: str, data: Mapping[str, Any], *, before: str | None) -> None:
        """Puts the file into its place, if what stands there is what stood there `before`, and the catalog is valid even now."""
        if self.wishes.dry_run:
            outcome.status = f"would be {status}"
            return
        file = self.shelf.root / f"catalog/papers/{outcome.id}.yaml"
        try:
            with self.shelf.alone() as changed:
                if (file.read_text(encoding="utf-8") if file.exists() else None) != before:
                    raise Refusal(f"catalog/papers/{outcome.id}.yaml was written by somebody else meanwhile; nothing was written")
                if changed:
                    self._check(outcome)
                file.parent.mkdir(parents=True, exist_ok=True)
                replace_file(file, outcome.text)
        except OSError as error:
            raise Refusal(f"catalog/papers/{outcome.id}.yaml can't be written ({error.strerror}); nothing was written") from None
        outcome.status = status
        outcome.files.append(self._name(file))
        if self.wishes.scaffold:
            self._scaffold(outcome, data)

    def _scaffold(self, outcome: Outcome, data: Mapping[str, Any]) -> None:
        if self.wishes.dry_run:
            planned(self.shelf.root, outcome.id)
        else:
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
