"""What has become of papers since their entries were written, as arXiv tells it: withdrawn, published, called otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tools.canonical import ARXIV_DOI
from tools.draft import Draft
from tools.links.model import Observation, Place, Watch
from tools.links.report import Notice
from tools.reading import Document
from tools.rules.duplicates import letters
from tools.schema import Publication


def notices(draft: Draft, observations: Iterable[Observation]) -> list[Notice]:
    """What somebody should look at, in the entries' order, as long as the entries don't have it."""
    seen = {look.watch.arxiv: look for look in observations if look.watch}
    found = []
    for document, entry_id, entry in draft.all("papers", "surveys"):
        arxiv = entry.ids.arxiv if entry.ids else None
        if arxiv in seen:
            place = _place(document, entry_id)
            found += [Notice(place, message) for message in _changes(draft, entry, seen[arxiv].watch)]
    return found


def _changes(draft: Draft, entry: Publication, watch: Watch) -> Iterator[str]:
    if watch.withdrawn:
        yield f"arXiv says that {watch.arxiv} was withdrawn"
    doi = entry.ids.doi if entry.ids else None
    if watch.doi and not doi and not watch.doi.lower().startswith(ARXIV_DOI):
        yield f"arXiv names the DOI of the published paper, {watch.doi}, which the entry lacks"
    venue = draft.manifest.venues.get(entry.venue) if draft.manifest else None
    is_preprint = venue is not None and venue.kind == "preprint"
    # Of a published paper the title as published counts, whatever its preprint is called.
    if is_preprint and letters(watch.title) != letters(entry.title):
        yield f'version {watch.version} on arXiv is called "{watch.title}"'
    if is_preprint and watch.journal_ref:
        yield f'arXiv says that it was published: "{watch.journal_ref}"'


def _place(document: Document, entry_id: str) -> Place:
    line, column = document.position(("ids", "arxiv"))
    return Place(document.path, line, column, "ids.arxiv", f"{document.path.split('/')[1]}/{entry_id}")
