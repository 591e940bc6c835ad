"""What the services would answer about one invented paper, with whatever a test changes."""

from __future__ import annotations

from html import escape
from typing import Any

TITLE = "KestrelNet: A Transformer for Small Falcons"
AUTHORS = ("Ada Falk", "Bo Tern")
ARXIV, DOI = "2011.00001", "10.5555/kestrel.1"
CVPR = "2021 IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)"
ABSTRACT = "Small falcons look alike. We attend to their wings. Code: https://github.com/ada/kestrel."


def atom(*papers: dict[str, Any]) -> str:
    """arXiv's feed: https://info.arxiv.org/help/api/user-manual.html (3.3, Outline of an Atom feed)."""
    entries = "".join(map(_entry, papers or ({},)))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom">'
        f"<title>ArXiv Query</title>{entries}</feed>"
    )


def _entry(changes: dict[str, Any]) -> str:
    paper = {"id": ARXIV, "version": 2, "title": TITLE, "authors": AUTHORS, "year": 2020, "summary": ABSTRACT} | changes
    more = "".join(f"<arxiv:{name}>{escape(paper[name])}</arxiv:{name}>" for name in ("comment", "journal_ref", "doi") if name in paper)
    authors = "".join(f"<author><name>{escape(name)}</name></author>" for name in paper["authors"])
    return (
        f"<entry><id>http://arxiv.org/abs/{paper['id']}v{paper['version']}</id><published>{paper['year']}-11-02T00:00:00Z</published>"
        f"<title>{escape(paper['title'])}</title><summary>{escape(paper['summary'])}</summary>{authors}{more}</entry>"
    )


def crossref(**changes: Any) -> dict[str, Any]:
    """A work of Crossref's REST API: https://api.crossref.org/swagger-ui/index.html."""
    work = {
        "DOI": DOI,
        "type": "proceedings-article",
        "title": [TITLE],
        "author": [{"given": name.split()[0], "family": name.split()[1], "sequence": "first"} for name in AUTHORS],
        "container-title": [CVPR],
        "page": "10-19",
        "publisher": "IEEE",
        "published-print": {"date-parts": [[2021, 6]]},
    }
    return {"status": "ok", "message-type": "work", "message": work | changes}


def scholar(**changes: Any) -> dict[str, Any]:
    """A paper of Semantic Scholar's graph API: https://api.semanticscholar.org/api-docs/graph."""
    paper = {
        "paperId": "0" * 40,
        "externalIds": {"ArXiv": ARXIV, "DOI": DOI},
        "title": TITLE,
        "authors": [{"authorId": str(number), "name": name} for number, name in enumerate(AUTHORS)],
        "year": 2021,
        "venue": "Computer Vision and Pattern Recognition",
    }
    return paper | changes


def openalex(**changes: Any) -> dict[str, Any]:
    """A work of OpenAlex: https://docs.openalex.org/api-entities/works/work-object."""
    work = {
        "id": "https://openalex.org/W1",
        "doi": f"https://doi.org/{DOI}",
        "title": TITLE,
        "publication_year": 2021,
        "type": "article",
        "authorships": [{"raw_author_name": name, "author": {"display_name": name}} for name in AUTHORS],
        "is_retracted": False,
    }
    return work | changes
