"""What has become of papers since their entries were written, as arXiv tells it: withdrawn, published, called otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from tools.canonical import ARXIV_DOI
from tools.draft import Draft
from tools.links.model import Observation, Place, Row, Watch
from tools.links.report import Notice
from tools.reading import Document
from tools.rules.duplicates import letters
from tools.schema import Publication


def notices(draft: Draft, observations: Iterable[Observation], rows: Mapping[str, Row]) -> list[Notice]:
    """What somebody should look at, in the entries' order; `rows` are the ledger's from before."""
    seen = {look.watch.arxiv: look for look in observations if look.watch}
    found = []
    for document, entry_id, entry in draft.all("papers", "surveys"):
        arxiv = entry.ids.arxiv if entry.ids else None
        if arxiv in seen:
            place = _place(document, entry_id)
            messages = _changes(draft, entry, seen[arxiv].watch, rows.get(f"https://arxiv.org/abs/{quote(arxiv, safe='/')}"))
            found += [Notice(place, message) for message in messages]
    return found


def _changes(draft: Draft, entry: Publication, watch: Watch, before: Row | None) -> Iterator[str]:
    if watch.withdrawn:
        yield f"arXiv says that {watch.arxiv} was withdrawn"
    doi = entry.ids.doi if entry.ids else None
    if watch.doi and not doi and not watch.doi.lower().startswith(ARXIV_DOI):
        yield f"arXiv names the DOI of the published paper, {watch.doi}, which the entry lacks"
    venue = draft.manifest.venues.get(entry.venue) if draft.manifest else None
    known = [entry.title, *([before.title] if before and before.title else [])]
    is_preprint = venue is not None and venue.kind == "preprint"
    # A published paper's preprint may always have been called otherwise: only a change is worth telling.
    if letters(watch.title) not in map(letters, known) and (is_preprint or len(known) > 1):
        yield f'version {watch.version} on arXiv is called "{watch.title}"'
    if is_preprint and watch.journal_ref:
        yield f'arXiv says that it was published: "{watch.journal_ref}"'


def _place(document: Document, entry_id: str) -> Place:
    line, column = document.position(("ids", "arxiv"))
    return Place(document.path, line, column, "ids.arxiv", f"{document.path.split('/')[1]}/{entry_id}")
