"""Proceedings and journals, as sources spell them, to the ids of catalog.yaml's venues. In doubt there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from tools.canonical import folded
from tools.manifest import Manifest, Venue

READ_KINDS = ("conference", "journal", "workshop")
"""The kinds that a container can name: a preprint server, a report and a web page are no venue."""
SERIES = re.compile(
    r"\b(lecture notes\b|lnc?s\b|lnai\b|lnee\b|pmlr\b|proceedings of machine learning research\b|ccis\b|lipics\b|"
    r"(jmlr|ceur) workshop( and conference)? proceedings\b|communications in computer and information science\b|"
    r"advances in intelligent systems and computing\b|studies in computational intelligence\b|smart innovation systems\b|"
    r"springer proceedings in\b|ifip advances in\b|leibniz international proceedings\b|lecture notes$)"
)
PREPRINTS = re.compile(
    r"^(corr|arxiv\b.*|arxivorg|computing research repository.*|(bio|med|chem)rxiv\b.*|techrxiv\b.*|ssrn\b.*|"
    r"research square\b.*|preprints?(org)?|osf preprints|hal|vixra|abs \d.*)$"
)
WORKSHOP = re.compile(r"\b(?i:workshops?)\b|\b[A-Z]{3,}W\b")
ORGANISATIONS = {"ieee", "acm"}
DROPPED = re.compile(
    r"\b((in )?proc(eedings)?( of)?( the)?|ieee|cvf|computer society|annual|part [ivxl]+|the|in)\b|"
    r"\b(19|20)\d\d\b|(?<![a-z])\d{1,2}(st|nd|rd|th)\b|"
    r"\b((twenty|thirty|forty|fifty|sixty) )?(first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|"
    r"thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth|fortieth)\b"
)
SHORT_YEAR = re.compile(r"(?<=[A-Za-z])\s*['’‘](\d\d)\b")
YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
ACRONYM_YEAR = re.compile(r"\b[A-Z][A-Za-z]*[A-Z]\s?((?:19|20)\d\d)(?!\d)")
ACRONYM = re.compile(r"\(([^()]*)\)")
JOURNAL_TURNED = re.compile(r"^(?P<topic>.+), (?P<head>(?:IEEE|ACM) (?:Transactions|Trans\.?) on)$", re.IGNORECASE)


def venue_of(container: str, manifest: Manifest) -> str | None:
    """The id of the venue that a proceedings' or journal's name belongs to; None where none is meant, or more than one could be.

    The name is compared with what catalog.yaml calls the venue (name, short, proceedings, aliases), after years, ordinals,
    "IEEE/CVF" and "Proceedings of the" are taken away; what is left has to be equal, since half a name is another conference's.
    A workshop is never its conference.
    """
    text = _turned(_plain(container))
    if is_series(text) or is_preprint_server(text):
        return None
    if found := _keys(manifest).get(_key(text)):
        return found if _may_be(manifest.venues[found], text, whole=True) else None
    candidates = {_keys(manifest).get(run) for run in _runs(text)} - {None}
    candidates = {venue for venue in candidates if _may_be(manifest.venues[venue], text, whole=False)}
    if len(candidates) != 1 or _other_acronym(text, manifest):
        return None
    return candidates.pop()


def year_in(container: str) -> int | None:
    """The year that a proceedings' name has in it ("2021 IEEE/CVF …", "ECCV 2018", "CVPR '19"); None for none, or for several."""
    text = _plain(container)
    for years in (ACRONYM_YEAR.findall(text), [f"20{year}" for year in SHORT_YEAR.findall(text)], YEAR.findall(text)):
        if years:
            return int(years[0]) if len(set(years)) == 1 else None
    return None


def is_series(text: str) -> bool:
    """Whether it is a series in which proceedings appear (LNCS, PMLR), which says nothing about where a paper was published."""
    return bool(SERIES.search(_letters(text)))


def is_preprint_server(text: str) -> bool:
    """Whether it is no venue but a server for preprints: CoRR, "arXiv preprint arXiv:2103.07976"."""
    return bool(PREPRINTS.search(_letters(text)))


@lru_cache(maxsize=8)
def _known(names: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The venue of each name without years and the like; a name of two venues is nobody's."""
    known: dict[str, str] = {}
    for venue, name in names:
        key = _key(name)
        known[key] = venue if known.get(key, venue) == venue else ""
    return {key: venue for key, venue in known.items() if key and venue}


def _keys(manifest: Manifest) -> dict[str, str]:
    return _known(tuple((i, name) for i, venue in manifest.venues.items() if venue.kind in READ_KINDS for name in _names(venue)))


def _names(venue: Venue) -> Iterator[str]:
    yield from filter(None, (venue.name, venue.short, venue.proceedings, *(venue.aliases or ())))


def _may_be(venue: Venue, text: str, *, whole: bool) -> bool:
    """Whether nothing in the text speaks against the venue: a workshop, a journal inside other words, another organisation."""
    if WORKSHOP.search(text) and venue.kind != "workshop":
        return False
    own = {word for name in _names(venue) for word in _letters(name).split()}
    foreign = ORGANISATIONS & set(_letters(text).split()) - own
    return not foreign and (whole or venue.kind != "journal")


def _runs(text: str) -> Iterator[str]:
    """What stands between commas, colons, dashes and brackets, alone and joined with its neighbours, since names have commas too.

    Not where words go on behind a comma: "Computer Vision, Imaging and Computer Graphics" names no conference on computer vision.
    """
    pieces = [piece for piece in re.split(r"\s*[,:;()]\s*|\s+-\s+|\.\s+", text) if piece.strip()]
    for start in range(len(pieces)):
        for end in range(start + 1, min(start + 4, len(pieces)) + 1):
            goes_on = any(re.search(r"\b(and|&)\b", piece) for piece in pieces[end : end + 2])
            run = _key(" ".join(pieces[start:end]))
            if run and not (goes_on and " " in run):
                yield run


def _other_acronym(text: str, manifest: Manifest) -> bool:
    """Whether brackets hold an acronym that is none of ours: (VISAPP) says which conference is meant."""
    inside = [_key(found) for found in ACRONYM.findall(text) if re.fullmatch(r"[A-Z][A-Za-z]*[A-Z][\s'’\d]*", found)]
    return any(word and word not in _keys(manifest) for word in inside)


def _turned(text: str) -> str:
    """Image Processing, IEEE Transactions on: the right way round."""
    found = JOURNAL_TURNED.match(text)
    return f"{found['head']} {found['topic']}" if found else text


def _key(text: str) -> str:
    """What is left of a name when all that changes from year to year is taken away."""
    text = _letters(SHORT_YEAR.sub("", re.sub(r"(?<=[a-zA-Z])(?=(?:19|20)\d\d)", " ", text)))
    text = re.sub(r"\bworkshop\b", "workshops", re.sub(r"\btrans\b", "transactions", text))
    return " ".join(DROPPED.sub(" ", text).split())


def _letters(text: str) -> str:
    """In small letters, with blanks for everything else, without accents and dots."""
    text = folded(text).replace(".", "").replace("&", " and ")
    return " ".join(re.sub(r"[^a-z0-9'’]+", " ", text).split())


def _plain(text: str) -> str:
    """Without BibTeX's braces, and with one kind of dash."""
    text = re.sub(r"\\&", "&", text)
    return " ".join(re.sub(r"\s*(?:---?|[–—])\s*", " - ", re.sub(r"[{}]", "", text)).split())
