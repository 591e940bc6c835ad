"""Addresses, texts, years, levels, and the form in which an entry is written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from tools.canonical import arxiv_page, characters
from tools.draft import Draft
from tools.normalize import differs_from_normal_form
from tools.problems import Problem, rule
from tools.reading import Document, Location
from tools.schema import Download, Link, Paper
from tools.trust import LEVELS

LATEX = re.compile(r"\\[A-Za-z\"'`^~=.&%$#_{}]+|\$[^$\s](?:[^$]*[^$\s])?\$|[{}]|``|''|(?<=\w)--+(?=\w)")
NOT_ONE_PERSON = re.compile(r",(?! (?:[JS]r\.?|I{2,3}|IV)$)|[;\d@&]|\band\b.|\b(?:others|et al)\b", re.IGNORECASE)
TO_DO = re.compile(r"(?<![\w-])(?:TODO|FIXME|TBD|XXX)(?![\w-])")
SENTENCE_END = re.compile(r"[.!?…](?=\s|$)")
HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")
PAGES = re.compile(r"(?!pp?\.)[^-–—\s]+(?:-[^-–—\s]+)?")
SHORT_TITLE, LONG_SUMMARY = 12, 1500
"""In letters and in characters."""


@rule("link-https", fix="writes https where another address of the catalog shows that the host has it")
def https(draft: Draft) -> Iterator[Problem]:
    """An address is https; http only where the host has no https, and then `https: false` says so.

    Browsers warn of http, and anyone on the way can change what it brings.
    Write https, or add `https: false` to the link after trying the https address.
    """
    for document, location, link in _links(draft):
        if link.url.startswith("http://") != (link.https is False):
            message = "the address is https, but `https: false` says that the host has none; remove one"
            if link.https is None:
                message = "found http; write https, or add `https: false` where the host has none"
            yield document.problem((*location, "url"), message, "link-https")


@rule("link-arxiv", fix="writes the address of the abstract page")
def arxiv_links(draft: Draft) -> Iterator[Problem]:
    """A link to arXiv leads to the paper's abstract page, whatever its version.

    A PDF pinned to v1 hides that the paper was corrected, published or withdrawn since.
    Write https://arxiv.org/abs/2103.07976.
    """
    for document, location, link in _links(draft):
        if "arxiv.org/" in link.url and arxiv_page(link.url) not in (None, link.url):
            message = "expected the abstract page without a version, such as https://arxiv.org/abs/2103.07976"
            yield document.problem((*location, "url"), message, "link-arxiv")


@rule("link-official")
def official(draft: Draft) -> Iterator[Problem]:
    """A link to code says whether its authors are the paper's, and no other link does.

    Readers look for the authors' code first, and "not stated" looks like "unofficial".
    Add `official: true` or `official: false` to a link to code; remove it elsewhere.
    """
    for document, location, link in _links(draft):
        if isinstance(link, Link) and (link.kind == "code") != (link.official is not None):
            message = f"`official` stands at a link to {link.kind}, expected at links to code alone; remove it"
            if link.kind == "code":
                message = "expected `official: true` (the authors' own code) or `official: false`"
            yield document.problem(location, message, "link-official")


def _links(draft: Draft) -> Iterator[tuple[Document, Location, Link | Download]]:
    for document, _, entry in draft.all(*draft.entries):
        for name in ("links", "downloads"):
            for index, link in enumerate(getattr(entry, name, None) or ()):
                yield document, (name, index), link


@rule("link-exception")
def link_exceptions(draft: Draft) -> Iterator[Problem]:
    """An exception for the link checker that speaks of no address or host, of both, or of one that another speaks of already.

    It would hold for nothing, or nobody could see which of two holds until when.
    Give either `url`, spelt as where it stands, or `host` in lower case without https:// and path; each of them once.
    """
    seen: dict[str, int] = {}
    for index, exception in enumerate((draft.manifest and draft.manifest.link_exceptions) or ()):
        what = exception.url or exception.host
        message = None
        if what is None or (exception.url and exception.host):
            message = f"found {'both' if what else 'neither'} `url` {'and' if what else 'nor'} `host`, expected one of them"
        elif exception.host and not HOST.fullmatch(exception.host):
            message = f'found the host "{exception.host}", expected such as www.example.org: lower case, no https://, no path'
        elif seen.setdefault(what, index) != index:
            message = f"link_exceptions[{seen[what]}] speaks of {what} already; join the two"
        if message:
            yield draft.documents["catalog.yaml"].problem(("link_exceptions", index), message, "link-exception")


@rule("year-range")
def years(draft: Draft) -> Iterator[Problem]:
    """A year lies between 1990 and the year after the entry was added.

    Anything else is a slip of the finger.
    Give the year of the venue.
    """
    for document, _, entry in draft.all(*draft.entries):
        last = entry.added.year + 1
        if entry.year is not None and not 1990 <= entry.year <= last:
            message = f"found {entry.year}, expected 1990 to {last} (the year after `added`)"
            yield document.problem(("year",), message, "year-range")


@rule("levels-defined")
def levels(draft: Draft) -> Iterator[Problem]:
    """catalog.yaml defines the levels of trust that are computed, and no other.

    A level without a meaning can't be shown, and a meaning without a level promises what nobody computes.
    Keep `levels` in catalog.yaml and tools/trust.py in step.
    """
    if draft.manifest and tuple(draft.manifest.levels) != LEVELS:
        message = f"found {', '.join(draft.manifest.levels)}, expected {', '.join(LEVELS)}"
        yield draft.documents["catalog.yaml"].problem(("levels",), message, "levels-defined")


@rule("text-characters", fix="composes letters and accents, takes ligatures apart, and removes what can't be seen")
def characters_of_texts(draft: Draft) -> Iterator[Problem]:
    """A text has characters that look like others: ligatures, hyphens that can't be seen, accents apart from their letters.

    They come along when text is copied from a PDF, and then a search for the word doesn't find it.
    Type the text, or let `--fix` replace them.
    """
    for document, _, _ in draft.all(*draft.entries):
        if document.text.isascii() or document.text == characters(document.text):
            continue
        for number, line in enumerate(document.text.split("\n"), 1):
            if line != (plain := characters(line)):
                column = next(
                    (i for i, (one, other) in enumerate(zip(line, plain, strict=False)) if one != other),
                    min(len(line), len(plain)),
                )
                name = unicodedata.name(line[column : column + 1] or " ", "a character")
                message = f"found {name.lower()} where another character was meant"
                yield Problem(document.path, number, column + 1, "", message, "text-characters")


@rule("text-latex", "warning")
def latex(draft: Draft) -> Iterator[Problem]:
    r"""A title or a name with LaTeX in it.

    BibTeX files write M{\"u}ller, $k$ and \&; the catalog is read by people, and its BibTeX is made from it.
    Write the characters themselves: Müller, k, &.
    """
    for document, _, entry in draft.all(*draft.entries):
        places = [((name,), getattr(entry, name, None)) for name in ("title", "name", "booktitle", "publisher")]
        places += [(("authors", index), author) for index, author in enumerate(entry.authors or ())]
        for location, text in places:
            if text and (found := LATEX.search(text)):
                message = f'found "{found[0]}", which only LaTeX understands; write the characters themselves'
                yield document.problem(location, message, "text-latex")


@rule("text-todo")
def todo(draft: Draft) -> Iterator[Problem]:
    """A TODO, FIXME, TBD or XXX in an entry's text.

    What isn't known yet is left out, and shown as unknown; a mark for later would be published.
    Write the text, or remove the field.
    """
    for document, _, _ in draft.all(*draft.entries):
        for number, line in enumerate(document.text.split("\n") if TO_DO.search(document.text) else (), 1):
            if found := TO_DO.search(line.partition(" #")[0]):
                message = f'found "{found[0]}"; write what is to be said, or leave it out'
                yield Problem(document.path, number, found.start() + 1, "", message, "text-todo")


@rule("author-form", "warning")
def author_form(draft: Draft) -> Iterator[Problem]:
    """An author who isn't one person, given name first.

    "He, Ju" sorts and cites as a person called He, Ju; "et al." and "others" hide people.
    Write each author as printed, given name first, all of them in order.
    """
    for document, _, entry in draft.all(*draft.entries):
        for index, author in enumerate(entry.authors or ()):
            if NOT_ONE_PERSON.search(author):
                message = f'found "{author}", expected one person, given name first'
                yield document.problem(("authors", index), message, "author-form")


@rule("title-case", "warning")
def title_case(draft: Draft) -> Iterator[Problem]:
    """A title all in capitals, or without any.

    Publishers' pages print titles in capitals; in a list they shout, and names in them (ResNet, TransFG) are lost.
    Write the title as the paper has it, in title or sentence case.
    """
    for document, _, entry in draft.all(*draft.entries):
        letters = "".join(filter(str.isalpha, entry.title))
        if len(letters) > SHORT_TITLE and (letters.isupper() or letters.islower()):
            found = "capitals alone" if letters.isupper() else "no capital"
            yield document.problem(("title",), f"found {found}, expected the title as published", "title-case")


@rule("summary-length", "warning")
def summary_length(draft: Draft) -> Iterator[Problem]:
    """A summary that says next to nothing, or everything.

    A page's first paragraph is read before it is decided to read on: a sentence doesn't tell how a method works, and an
    abstract copied whole isn't ours.
    Write three to six sentences for a paper, one to five for anything else.
    """
    for document, _, entry in draft.all(*draft.entries):
        least = 2 if isinstance(entry, Paper) else 1
        sentences = len(SENTENCE_END.findall(entry.summary))
        if sentences < least or len(entry.summary) > LONG_SUMMARY:
            message = f"found {sentences} sentence{'s' * (sentences != 1)} and {len(entry.summary)} characters"
            message += f", expected at least {least} and at most {LONG_SUMMARY}"
            yield document.problem(("summary",), message, "summary-length")


@rule("pages-form")
def pages(draft: Draft) -> Iterator[Problem]:
    """First and last page, joined by one hyphen, the first first.

    Citations are made from them.
    Write "852-860"; an article number ("103214") stands alone.
    """
    for document, _, entry in draft.all("papers", "surveys"):
        first, _, last = (entry.pages or "").partition("-")
        backwards = first.isdecimal() and last.isdecimal() and int(first) > int(last)
        if entry.pages and (backwards or not PAGES.fullmatch(entry.pages)):
            yield document.problem(("pages",), f'found "{entry.pages}", expected such as "852-860"', "pages-form")


@rule("not-normal", fix="rewrites the file: order of keys, quotes, folding, indentation; comments stay where they were")
def normal_form(draft: Draft) -> Iterator[Problem]:
    """An entry is written in its normal form: order of keys, quotes, folding and indentation.

    With one form, a change shows as what it changes.
    Run `python -m tools.check_catalog --fix`: it rewrites the file, keeps its comments, and changes no fact.
    """
    for document, _, entry in draft.all(*draft.entries):
        line = differs_from_normal_form(document, type(entry))
        if line:
            message = "not in normal form; run `python -m tools.check_catalog --fix`"
            yield Problem(document.path, line, 1, "", message, "not-normal")
