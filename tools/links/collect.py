"""Every address of the catalog, and each place where it stands."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from urllib.parse import quote

import yaml

from tools.draft import MANIFEST, Draft
from tools.links.model import Place, Target
from tools.reading import Document

WHOLE = re.compile(r"https?://\S+", re.IGNORECASE)
IN_TEXT = re.compile(r"(?<!\w)https?://[^\s<>\"`{}|\\^]+", re.IGNORECASE)
SENTENCE_MARKS = ".,;:!?'’”»…*_"
BRACKETS = {")": "(", "]": "["}
QUOTED = "listed"
"""What the list we started from says, word for word: an address in it is quoted since it was wrong."""
NOT_LINKS = ("link_exceptions",)
"""Fields of catalog.yaml that speak of addresses which stand elsewhere."""
PAPERS = ("papers", "surveys")
DOI_CHARACTERS = "/:;()!$&'*+,=@~"


def collect(draft: Draft) -> list[Target]:
    """The addresses of all files that could be read, sorted, each with its places: in links, in texts, and the entries' ids."""
    places: dict[str, list[Place]] = defaultdict(list)
    titles: dict[str, str] = {}
    for document in draft.documents.values():
        title = _title(draft, document)
        for url, place, names_paper in _found(document):
            places[url].append(place)
            if title and names_paper:
                titles.setdefault(url, title)
    return [Target(url, tuple(sorted(places[url])), titles.get(url)) for url in sorted(places)]


def addresses(text: str) -> list[str]:
    """The addresses in a text, in order; punctuation behind one is left off, and so is a bracket that was opened before it."""
    if WHOLE.fullmatch(text):
        return [text]
    return [url for found in IN_TEXT.findall(text) if WHOLE.fullmatch(url := _trimmed(found))]


def _trimmed(url: str) -> str:
    while url[-1] in SENTENCE_MARKS or (url[-1] in BRACKETS and url.count(url[-1]) > url.count(BRACKETS[url[-1]])):
        url = url[:-1]
    return url


def of_document(document: Document) -> set[str]:
    """The addresses of one file."""
    return {url for url, _, _ in _found(document)}


def scalars(document: Document) -> Iterator[tuple[yaml.ScalarNode, str, bool]]:
    """The scalars of a file that may hold an address of the catalog's.

    Each with its field, as `tools.reading.spell` writes it, and whether it is the address of a link to the entry's paper.
    """
    root = yaml.compose(document.text, yaml.CSafeLoader)  # not kept: the nodes of a large catalog would take gigabytes
    yield from _below(root, "", (QUOTED, *NOT_LINKS) if document.path == MANIFEST else (QUOTED,))


def _below(node: yaml.Node | None, at: str, untouched: Collection[str]) -> Iterator[tuple[yaml.ScalarNode, str, bool]]:
    if isinstance(node, yaml.ScalarNode):
        yield node, at, False
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _below(item, f"{at}[{index}]", untouched)
    elif isinstance(node, yaml.MappingNode):
        names_paper = at.startswith("links[") and any(k.value == "kind" and v.value == "paper" for k, v in node.value)
        for key, value in node.value:
            if key.value not in untouched:
                for scalar, field, inner in _below(value, f"{at}.{key.value}" if at else key.value, untouched):
                    yield scalar, field, inner or (names_paper and key.value == "url")


def _title(draft: Draft, document: Document) -> str | None:
    kind, _, name = document.path.removeprefix("catalog/").partition("/")
    entry = draft.entries[kind].get(name.removesuffix(".yaml")) if kind in PAPERS else None
    return entry.title if entry else None


def _found(document: Document) -> Iterator[tuple[str, Place, bool]]:
    """Each address of a file, its place, and whether it is that of the paper which the entry is about."""
    entry = "" if document.path == MANIFEST else document.path.removeprefix("catalog/").removesuffix(".yaml")
    for node, field, names_paper in scalars(document):
        if "://" in node.value:
            urls = addresses(node.value)
        elif field in IDS and entry:
            urls, names_paper = [IDS[field](node.value)], True
        else:
            continue
        for url, line, column in _placed(urls, node, document.text):
            yield url, Place(document.path, line, column, field, entry), names_paper


def _arxiv(value: str) -> str:
    return f"https://arxiv.org/abs/{value}"


def _doi(value: str) -> str:
    return f"https://doi.org/{quote(value, safe=DOI_CHARACTERS)}"


IDS = {"ids.arxiv": _arxiv, "ids.doi": _doi}
"""An id's address, by the id's field."""


def _placed(urls: list[str], node: yaml.ScalarNode, text: str) -> Iterator[tuple[str, int, int]]:
    """Where each address begins; where it isn't written out (an id, an escape, a fold), where the scalar does."""
    start, end = node.start_mark, node.end_mark.index
    after = start.index
    for url in urls:
        index = text.find(url, after, end)
        if index < 0:
            yield url, start.line + 1, start.column + 1
            continue
        after = index + len(url)
        line = start.line + text.count("\n", start.index, index)
        yield url, line + 1, index - text.rfind("\n", 0, index)
