"""Questions for somebody at a terminal, each with a suggestion where there is one, and the reason for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from rich.console import Console
from rich.markup import escape
from rich.prompt import Confirm, Prompt

from tools.adding import guesses
from tools.adding.entry import Words
from tools.adding.merge import Facts
from tools.adding.record import Record, Refusal
from tools.adding.results import EXAMPLE, read_result
from tools.adding.scaffold import LONGEST_ID
from tools.manifest import Manifest
from tools.problems import nearest
from tools.schema import ID_PATTERN


class Asker:
    """Asks at a terminal for what an entry needs and nobody said."""

    def __init__(self, console: Console, manifest: Manifest, taken: Collection[str]) -> None:
        self.console, self.manifest, self.taken = console, manifest, taken

    def confirm(self, question: str) -> bool:
        """Yes or no."""
        return Confirm.ask(escape(question), console=self.console, default=True)

    def tell(self, lines: Iterable[str]) -> None:
        """Shows lines that somebody should see before answering."""
        for line in lines:
            self.console.print(line, style="yellow", markup=False, highlight=False)

    def complete(self, facts: Facts, words: Words, records: Collection[Record]) -> Words:
        """What the contributor says, with the answers; venue and year go into the facts."""
        abstract = next((record.abstract for record in records if record.abstract), None)
        comment = next((record.comment for record in records if record.comment), None)
        self.console.print(f"\n[bold]{escape(facts.data['title'])}[/]\n{escape(', '.join(facts.data['authors']))}")
        self.facts(facts)
        title = facts.data["title"]
        name = words.name or self.name(title, abstract)
        suggested = guesses.entry_id(title, name, facts.data["authors"], facts.data["year"])
        return replace(
            words,
            name=name,
            id=words.id or self.ask("Id, the file's name and the page's address", suggested, self.check_id),
            approaches=words.approaches or self.words("approaches", title, abstract, needed=True),
            mechanisms=words.mechanisms or self.words("mechanisms", title, abstract, needed=False),
            summary=words.summary or self.summary(),
            code=words.code or self.code(abstract, comment),
            **self.results(words),
        )

    def facts(self, facts: Facts) -> None:
        """Asks for the venue and its year, where no source settled them."""
        for name, question, check in (
            ("venue", "Venue, a word of catalog.yaml", self.check_venue),
            ("year", "Year of the venue", self.check_year),
        ):
            if name not in facts.data:
                self.console.print(escape(f"{name}: {facts.missing[name]}"))
                answer = self.ask(question, None, check)
                facts.data[name], facts.by[name] = int(answer) if name == "year" else answer, "stated"

    def ask(self, question: str, suggestion: str | None, check: Callable[[str], str | None] = lambda answer: None) -> str:
        """An answer that `check` has no objection to."""
        while True:
            answer = (Prompt.ask(escape(question), console=self.console, default=suggestion) or "").strip()
            objection = check(answer) if answer else "an answer is needed; Ctrl-C stops, and writes nothing"
            if objection is None:
                return answer
            self.console.print(f"[red]{escape(objection)}[/]")

    def optional(self, question: str, suggestion: str = "") -> str:
        """An answer that may be empty: a dash takes a suggestion away."""
        answer = Prompt.ask(escape(question), console=self.console, default=suggestion, show_default=bool(suggestion))
        return "" if answer.strip() in ("", "-") else answer.strip()

    def name(self, title: str, abstract: str | None) -> str | None:
        """What people call the method."""
        guess = guesses.name(title, abstract)
        why = f" ({guess[1]})" if guess else ""
        return self.optional(f"Short name that people use{why}; - for none", guess[0] if guess else "") or None

    def words(self, vocabulary: str, title: str, abstract: str | None, *, needed: bool) -> tuple[str, ...]:
        """Words of a vocabulary."""
        known = getattr(self.manifest, vocabulary)
        guessed = guesses.groups(known, title, abstract)
        self.console.print(f"\n{vocabulary.capitalize()}: {escape(', '.join(known))}")
        for word, why in guessed.items():
            self.console.print(f"  {escape(word)}: {escape(why)}", style="dim")
        question = f"{vocabulary.capitalize()}, with commas between" + ("" if needed else "; - for none")
        check = _checks_words(vocabulary, known)
        if needed:
            return _split(self.ask(question, ", ".join(guessed) or None, check))
        while (answer := self.optional(question, ", ".join(guessed))) and (objection := check(answer)):
            self.console.print(f"[red]{escape(objection)}[/]")
        return _split(answer)

    def summary(self) -> str:
        """Some lines, up to an empty one, as one text."""
        self.console.print("\nSummary: three to six sentences in your own words (the problem, the idea, how it works).")
        self.console.print("An empty line ends it.", style="dim")
        lines: list[str] = []
        while (line := self.console.input("  ").strip()) or not lines:
            lines += [line] if line else []
        return " ".join(lines)

    def code(self, *texts: str | None) -> tuple[str, ...]:
        """The address of the authors' code."""
        guess = guesses.code(*texts)
        why = " (the authors name it)" if guess else ""
        answer = self.optional(f"\nThe authors' code, an address{why}; - for none", guess or "")
        return (answer,) if answer else ()

    def results(self, words: Words) -> dict[str, object]:
        """The values that were read in the paper; or why there are none."""
        if words.results or words.no_results:
            return {}
        self.console.print(f"\nResults, one a line, such as {escape(EXAMPLE)}. An empty line ends them.")
        found = []
        while line := self.console.input("  ").strip():
            try:
                found.append(read_result(line, self.manifest))
            except Refusal as objection:
                self.console.print(f"[red]{escape(str(objection))}[/]")
        return {"results": tuple(found)} if found else {"no_results": self.ask("Why there are no results to enter", None)}

    def check_id(self, answer: str) -> str | None:
        """Why an id can't be."""
        if not re.fullmatch(ID_PATTERN, answer):
            return "expected lower-case letters and digits with single hyphens between, such as api-net"
        if len(answer) > LONGEST_ID:
            return f"expected at most {LONGEST_ID} characters"
        return f"{answer} is taken already" if answer in self.taken else None

    def check_venue(self, answer: str) -> str | None:
        """Why a venue can't be."""
        known = self.manifest.venues
        return None if answer in known else f"expected one of {', '.join(known)}{nearest(answer, known)}"

    @staticmethod
    def check_year(answer: str) -> str | None:
        """Why a year can't be."""
        return None if re.fullmatch(r"(?:19|20)\d\d", answer) else "expected a year such as 2024"


def _split(answer: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in answer.split(",") if word.strip()))


def _checks_words(vocabulary: str, known: Mapping[str, object]) -> Callable[[str], str | None]:
    def check(answer: str) -> str | None:
        unknown = [word for word in _split(answer) if word not in known]
        return f'no "{unknown[0]}" among the {vocabulary}{nearest(unknown[0], known)}' if unknown else None

    return check
