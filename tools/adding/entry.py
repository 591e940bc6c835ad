"""An entry of what was found and what the contributor says; and an entry that is there, filled up by the same."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.adding import results
from tools.adding.merge import Facts, Stated, show
from tools.adding.record import Refusal
from tools.rules.duplicates import letters

FILLED = ("name", "volume", "number", "pages")
"""What `--update` adds to an entry that lacks it, beside ids and links."""
HELD = ("title", "authors", "year", "venue", *FILLED)
"""What `--update` compares."""


@dataclass(frozen=True)
class Words:
    """What the contributor says of a paper, beyond what sources say."""

    id: str | None = None
    name: str | None = None
    approaches: tuple[str, ...] = ()
    mechanisms: tuple[str, ...] = ()
    summary: str | None = None
    code: tuple[str, ...] = ()
    """Addresses of the authors' code."""
    other_code: tuple[str, ...] = ()
    """Addresses of somebody else's."""
    results: tuple[dict[str, Any], ...] = ()
    no_results: str | None = None

    @property
    def links(self) -> list[dict[str, Any]]:
        """The addresses as the catalog holds them."""
        both = [(url, True) for url in self.code] + [(url, False) for url in self.other_code]
        return [{"kind": "code", "official": official, "url": url} for url, official in both]


def new_entry(facts: Facts, words: Words, added: datetime.date) -> dict[str, Any]:
    """The data of an entry; `missing` tells what it lacks."""
    said = {"name": words.name, "approaches": list(words.approaches), "mechanisms": list(words.mechanisms)}
    said |= {"summary": words.summary, "no_results": words.no_results}
    said["links"] = [*facts.data.get("links", []), *words.links]
    said["results"] = []
    for result in words.results:
        results.join(said["results"], copy.deepcopy(result))
    return facts.data | {name: value for name, value in said.items() if value} | {"added": added}


def missing(data: Mapping[str, Any], facts: Facts) -> dict[str, str]:
    """What an entry has to have and lacks, each with what to do about it."""
    lacks = {name: cure(name, facts) for name in facts.missing if name not in data}
    if not data.get("approaches"):
        lacks["approaches"] = "say what it does: --approach WORD, a word of catalog.yaml's approaches"
    if "summary" not in data:
        lacks["summary"] = 'three to six sentences in your own words: --summary "…"'
    if "results" not in data and "no_results" not in data:
        lacks["results"] = f"--result '{results.EXAMPLE}', once for each value read; or why there are none: --no-results \"…\""
    return lacks


def cure(name: str, facts: Facts) -> str:
    """Why a field couldn't be settled, and what to do about it."""
    return facts.missing[name] + MEND[name]


MEND = {
    "title": ": give an arXiv id, a DOI, or BibTeX that has it",
    "venue": ", or say which one it is: --venue ID (arxiv for a preprint)",
    "year": ": --year YEAR",
    "authors": ": give an arXiv id, a DOI, or BibTeX that names them all",
}


# -------------------------------------------------------------------------------------------------------------- update


def updated(held: Mapping[str, Any], facts: Facts, words: Words, stated: Stated) -> tuple[dict[str, Any], list[str]]:
    """An entry's data with what it lacked, and where the sources say otherwise than it. Nothing it says is changed.

    Raises Refusal where the contributor gives a value for something that is there already with another one.
    """
    _refuse_replacing(held, words, stated)
    data = copy.deepcopy(dict(held))
    news = facts.data | ({"name": words.name} if words.name else {})
    for name in FILLED:
        if name in news:
            data.setdefault(name, news[name])
    _fill_ids(data, news.get("ids", {}))
    _fill_links(data, [*news.get("links", []), *words.links])
    for name, more in (("approaches", words.approaches), ("mechanisms", words.mechanisms)):
        if added := [word for word in more if word not in data.get(name, [])]:
            data[name] = [*data.get(name, []), *added]
    _fill_results(data, words)
    return data, _against(held, facts)


def _refuse_replacing(held: Mapping[str, Any], words: Words, stated: Stated) -> None:
    said = {
        "name": words.name,
        "summary": words.summary,
        "venue": stated.venue,
        "year": stated.year,
        "no_results": words.no_results,
    }
    for name, value in said.items():
        if value and held.get(name, value) != value:
            raise Refusal(f"the entry has another {name}, and --update replaces nothing: change it by hand")
    if words.results and "no_results" in held:
        raise Refusal(f'the entry says why it has no results ("{held["no_results"]}"); if it has some now, remove that by hand')
    if words.no_results and "results" in held:
        raise Refusal("the entry has results, and --update replaces nothing: change it by hand")


def _fill_ids(data: dict[str, Any], ids: Mapping[str, str]) -> None:
    if more := {name: value for name, value in ids.items() if name not in data.get("ids", {})}:
        data["ids"] = data.get("ids", {}) | more


def _fill_links(data: dict[str, Any], links: list[dict[str, Any]]) -> None:
    there = {_bare(link["url"]) for link in data.get("links", [])}
    if more := [link for link in links if _bare(link["url"]) not in there]:
        data["links"] = [*data.get("links", []), *more]


def _bare(url: str) -> str:
    return url.rstrip("/").removesuffix(".git").lower()


def _fill_results(data: dict[str, Any], words: Words) -> None:
    for result in words.results:
        results.join(data.setdefault("results", []), copy.deepcopy(result))


def _against(held: Mapping[str, Any], facts: Facts) -> list[str]:
    """Where the sources say otherwise than the entry."""
    compared = [name for name in HELD if not (name in ("venue", "year") and facts.of_preprint)]
    pairs = [(name, name, held.get(name), facts.data.get(name)) for name in compared]
    for name in ("arxiv", "doi"):
        pairs.append((f"ids.{name}", name, held.get("ids", {}).get(name), facts.data.get("ids", {}).get(name)))
    return [
        f"{shown}: the entry has {show(there)}, {facts.by.get(name, 'a source')} {show(found)}; the entry was kept"
        for shown, name, there, found in pairs
        if there is not None and found is not None and letters(show(there)) != letters(show(found))
    ]
