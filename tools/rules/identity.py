"""Whether an entry's ids, addresses and dates are of one and the same work."""

from __future__ import annotations

from collections.abc import Iterator

from tools.canonical import ARXIV_DOI, arxiv_page, resolved_doi
from tools.draft import Draft
from tools.problems import Problem, rule


@rule("link-id")
def links_and_ids(draft: Draft) -> Iterator[Problem]:
    """A link to arXiv or to a DOI that isn't the entry's own id.

    An address that answers with another paper is the one mistake that no check of dead links finds.
    Follow both, and correct the one that leads elsewhere; if `ids` has none, add it there.
    """
    for document, _, entry in draft.all("papers", "surveys"):
        arxiv, own = (entry.ids.arxiv, entry.ids.doi) if entry.ids else (None, None)
        for index, link in enumerate(entry.links or ()):
            if link.kind not in ("paper", "pdf"):
                continue
            page, resolved = arxiv_page(link.url), (resolved_doi(link.url) or "").lower()
            if resolved.startswith(ARXIV_DOI):
                page, resolved = f"https://arxiv.org/abs/{resolved.removeprefix(ARXIV_DOI)}", ""
            other_page = page is not None and page != f"https://arxiv.org/abs/{arxiv}"
            other_doi = bool(resolved) and resolved != (own or "").lower()
            if other_page or other_doi:
                name, found = ("arXiv id", arxiv) if other_page else ("DOI", own)
                message = f"leads to another {name} than the entry's ({found or 'it has none'})"
                yield document.problem(("links", index, "url"), message, "link-id")


@rule("year-of-preprint", "warning")
def years_of_preprints(draft: Draft) -> Iterator[Problem]:
    """A preprint whose year isn't the one in its arXiv id.

    2103.07976 is of March 2021. A later year is mostly that of the venue which published it, and then that is the venue.
    Give the id's year, or the venue.
    """
    if draft.manifest is None:
        return
    for document, _, entry in draft.all("papers", "surveys"):
        venue = draft.manifest.venues.get(entry.venue)
        arxiv = entry.ids.arxiv if entry.ids else None
        if venue and venue.kind == "preprint" and arxiv and entry.year and _year(arxiv) != entry.year:
            message = f"found {entry.year}, but {arxiv} is of {_year(arxiv)}"
            yield document.problem(("year",), message, "year-of-preprint")


def _year(arxiv: str) -> int:
    """The year of an arXiv id: of 2103.07976, or of cs/9901001."""
    digits = arxiv.rpartition("/")[2][:2]
    return (1900 if int(digits) > 90 else 2000) + int(digits)


@rule("dates-order")
def dates(draft: Draft) -> Iterator[Problem]:
    """Dates that can't be: a workshop held in another year than its own, or an entry corrected before it was there.

    One of the two is a slip of the finger.
    Correct it.
    """
    for document, _, entry in draft.all(*draft.entries):
        held = getattr(entry, "date", None)
        if held and held.year != entry.year:
            yield document.problem(("date",), f"found {held}, but the year is {entry.year}", "dates-order")
        for index, correction in enumerate(entry.corrections or ()):
            if correction.date < entry.added:
                message = f"found {correction.date}, but the entry was added on {entry.added}"
                yield document.problem(("corrections", index, "date"), message, "dates-order")
