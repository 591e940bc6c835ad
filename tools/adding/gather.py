"""Asks everybody who may know the paper, follows the ids they name, and holds each answer against what was asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tools.adding import crossref, openalex, publishers, semantic_scholar
from tools.adding.arxiv import lookup as ask_arxiv
from tools.adding.asked import Asked
from tools.adding.people import same_people
from tools.adding.record import NoAnswer, NotThere, Record, Refusal
from tools.adding.titles import same_title
from tools.adding.web import Web

CHECKS = ("Semantic Scholar", "OpenAlex")
"""Who is asked for ids and contradictions alone: nothing they say enters an entry."""

KEYS = {"Semantic Scholar": "S2_API_KEY", "OpenAlex": "OPENALEX_API_KEY"}
"""The environment's variables that may hold a key, without which these services are soon too busy."""


@dataclass
class Gathered:
    """What was said of one paper: the first record is what was asked for."""

    asked: Asked
    records: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    same_paper: bool = False
    """Somebody looked, and says that records that differ are of one paper."""
    checked: bool = False
    """Whether one of the services that index everything has answered, be it that it knows no such paper."""

    @property
    def arxiv(self) -> str | None:
        """The arXiv id that is known so far."""
        return self.asked.arxiv or next((record.arxiv for record in self.own if record.arxiv), None)

    @property
    def doi(self) -> str | None:
        """The DOI that is known so far."""
        return self.asked.doi or next((record.doi for record in self.own if record.doi), None)

    @property
    def abstract(self) -> str | None:
        """The first abstract that a source has."""
        return next((record.abstract for record in self.records if record.abstract), None)

    @property
    def comment(self) -> str | None:
        """The authors' own comment on arXiv."""
        return next((record.comment for record in self.records if record.comment), None)

    @property
    def own(self) -> list[Record]:
        """All records but those of the services that are asked as a check."""
        return [record for record in self.records if record.source not in CHECKS]


def gather(asked: Asked, web: Web, of_arxiv: Mapping[str, Record | Refusal], *, same_paper: bool = False) -> Gathered:
    """All records of one paper. `of_arxiv` is what arXiv said of the ids that were asked for.

    Raises NoAnswer where the one who was asked for the paper can't be reached, Refusal where an id is of another paper.
    """
    found = Gathered(asked, same_paper=same_paper)
    if asked.record:
        take(found, asked.record)
    if asked.page:
        web.tell(f"asking for {asked.page}")
        take(found, publishers.read(web, asked.page))
    if found.arxiv:
        _take_arxiv(found, web, of_arxiv)
    if found.doi:
        _take_crossref(found, web)
    _check(found, web)
    if asked.version:
        newest = next((f"; the newest is v{record.version}" for record in found.records if record.version), "")
        found.notes.append(f"v{asked.version} was asked for: an entry is of the paper, whatever the version{newest}")
    found.notes += [f"{record.source}: {doubt}" for record in found.records for doubt in record.doubts]
    return found


def offline(asked: Asked) -> Gathered:
    """The file's record alone. Raises Refusal where there is none."""
    if asked.record is None:
        raise Refusal(f"{asked.text} has to be looked up; without a network, give a BibTeX file: --offline paper.bib")
    return Gathered(asked, [asked.record], [*asked.record.doubts, "nothing was looked up: what the file says was taken as it is"])


def take(found: Gathered, record: Record) -> None:
    """Adds what a source says. Raises Refusal where the paper was withdrawn, or where it is another paper."""
    if record.withdrawn:
        raise Refusal(f"{record.source} says that the paper was withdrawn: {record.withdrawn} ({record.where})")
    if found.records and not found.same_paper:
        refuse_another(found.records[0], record, "asked for:")
    found.records.append(record)


def refuse_another(one: Record, other: Record, called: str) -> None:
    """Raises Refusal, with both sides, where two records aren't of one paper; `called` is what the first is to the reader."""
    if difference := differs(one, other):
        raise Refusal(
            f"{difference}\n  {called} {describe(one)}\n  {'found:':{len(called)}} {describe(other)}\n"
            "Correct the id; or, if you looked and it is one paper under two titles, say so: --same-paper"
        )


def differs(one: Record, other: Record) -> str | None:
    """Why two records aren't of one paper; None where they are, or where nothing tells."""
    if one.title and other.title and not same_title(one.title, other.title):
        return f"{other.source} has another title than {one.source}:"
    complete = one.complete and other.complete
    if one.authors and other.authors and not same_people(one.authors, other.authors, complete=complete):
        return f"{other.source} names other authors than {one.source}:"
    return None


def describe(record: Record) -> str:
    """One record in a line: its title, its authors, where it was read."""
    names = [*record.authors[:3], *(["…"] if len(record.authors) > 3 or not record.complete else [])]
    return f'"{record.title or "no title"}" by {", ".join(names) or "nobody named"} ({record.source}, {record.where})'


def _take_arxiv(found: Gathered, web: Web, of_arxiv: Mapping[str, Record | Refusal]) -> None:
    answer = of_arxiv.get(found.arxiv) or _arxiv(web, found.arxiv)
    if isinstance(answer, Refusal):
        raise answer
    take(found, answer)


def _take_crossref(found: Gathered, web: Web) -> None:
    """The DOI's record. A DOI that Crossref doesn't know (yet) is an answer only to who asked for nothing else."""
    try:
        take(found, _crossref(web, found.doi))
    except NotThere as reason:
        if not found.records:
            raise
        found.notes.append(f"{reason}; the DOI was left out")
        found.records = [replace(record, doi=None) for record in found.records]


def _check(found: Gathered, web: Web) -> None:
    """Asks the services that index everything, and follows the ids that they alone know. What they get wrong is only told."""
    if not (found.arxiv or found.doi):
        return
    for source, service in zip(CHECKS, (semantic_scholar, openalex), strict=True):
        web.tell(f"asking {source}, as a check")
        try:
            record = service.lookup(web.once(), arxiv=found.arxiv, doi=found.doi, key=os.environ.get(KEYS[source]))
        except NotThere:
            found.checked = True
            continue
        except NoAnswer as reason:
            found.notes.append(f"not cross-checked by {source}: {reason}")
            continue
        if difference := differs(found.records[0], record):
            found.notes.append(f"{difference} {describe(record)}; it was left aside")
            continue
        found.checked = True
        if record.withdrawn:
            found.notes.append(f"{source} says that the paper was withdrawn: {record.withdrawn}; look before it is added")
        found.records.append(record)
        _follow(found, record, web)
        return


def _follow(found: Gathered, lead: Record, web: Web) -> None:
    """Looks up the ids that only a lead knows, and keeps them where they are of this paper."""
    asks = []
    if lead.doi and not found.doi:
        asks.append((lead.doi, lambda: _crossref(web, lead.doi)))
    if lead.arxiv and not found.arxiv:
        asks.append((lead.arxiv, lambda: _arxiv(web, lead.arxiv)))
    for name, ask in asks:
        try:
            answer = ask()
        except (NotThere, NoAnswer) as reason:
            answer = reason
        if isinstance(answer, Refusal):
            found.notes.append(f"{lead.source} names {name}, which was left out: {answer}")
        elif difference := differs(found.records[0], answer):
            found.notes.append(f"{lead.source} names {name}, which was left out: {difference} {describe(answer)}")
        elif answer.withdrawn:
            found.notes.append(f"{lead.source} names {name}, which was left out: it was withdrawn: {answer.withdrawn}")
        else:
            take(found, answer)


def _arxiv(web: Web, arxiv: str) -> Record | Refusal:
    web.tell(f"asking arXiv for {arxiv}")
    return ask_arxiv(web, [arxiv])[arxiv]


def _crossref(web: Web, doi: str) -> Record:
    web.tell(f"asking Crossref for {doi}")
    return crossref.lookup(web, doi)
