"""Whether authors say that a paper is withdrawn. arXiv marks no such paper: it answers as for any other, and the words tell."""

from __future__ import annotations

import re

SENTENCE = re.compile(r"[^.!?]+(?:[.!?](?!\s|$)[^.!?]*)*[.!?]?")
PAPER = r"(?:paper|article|manuscript|submission|preprint|work|version|document|e-print)"
SAYS_OF_ITSELF = re.compile(
    rf"\b(?:this|the|our)\s+(?:\w+\s+)?{PAPER}\b[^.]{{0,40}}?"
    r"\b(?:is|was|has been|have been|had to be|is being)\s+(?:\w+\s+)?withdrawn\b"
    r"|\bwithdrawn\s+by\s+(?:the\s+|its\s+)?(?:authors?|submitter|arxiv)\b"
    r"|\b(?:we|the authors?|authors|i)\s+(?:have\s+|has\s+)?(?:decided to\s+)?withdr(?:aw|ew|awn|aws)\s+"
    rf"(?:this|the|our)\s+{PAPER}\b",
    re.IGNORECASE,
)
SAYS_AT_ITS_START = re.compile(
    rf"\s*(?:{PAPER}\s+|this\s+)?(?:is\s+|has been\s+)?withdrawn\b(?![^.]*\baccepted\b)", re.IGNORECASE
)


def withdrawal(comment: str | None, abstract: str | None) -> str | None:
    """The sentence that says so; None where none does. "We withdraw labels" in an abstract says nothing of the paper."""
    for text in filter(None, (comment, abstract)):
        for index, found in enumerate(SENTENCE.finditer(text)):
            sentence = found[0].strip()
            if SAYS_OF_ITSELF.search(sentence) or (index == 0 and SAYS_AT_ITS_START.match(sentence)):
                return sentence
    return None
