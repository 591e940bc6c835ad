"""Whether authors say that a paper is withdrawn. arXiv marks no such paper: it answers as for any other, and the words tell."""

from __future__ import annotations

import re
from collections.abc import Iterator

SENTENCE = re.compile(r"[^.!?]+(?:[.!?](?!\s|$)[^.!?]*)*[.!?]?")
PAPER = r"(?:(?:paper|article|manuscript|submission|preprint|work|version|document|e-print)(?!['’]s)s?)"
WHICH = r"(?:this|the|our)\s+(?:(?:present|current|following|entire|whole)\s+)?"
"""Not the previous version, nor a companion paper."""
ELSEWHERE = r"(?!\s+from\s+(?!(?:the\s+)?(?:arxiv|consideration|publication|circulation)\b))"
"""A paper that is withdrawn from a conference may have been published since; one that is withdrawn from arXiv is gone."""
GONE = rf"(?:withdrawn|retracted|removed\s+by\s+arxiv)\b{ELSEWHERE}"
IS = r"(?:is|was|has been|have been|had to be|is being)\s+(?:(?!not\b|never\b)\w+\s+)?"
NOT_OF_IT = r"(?<!\bin\s)(?<!\bof\s)(?<!\bif\s)(?<!\bwhen\s)(?<!\bonce\s)(?<!\bwhether\s)(?<!\buntil\s)"
"""In this paper, samples are withdrawn; no result of this paper is."""
WITHIN = r"(?:\s*\([^()]*\)|,[^,]{1,60},)?\s+"
CLAUSE = r"(?:^|[.;:,!?(\[]\s*|[-–—]\s+)"
REASON = r"(?=\s*(?:$|[.,;:!)\]]|(?:by|due|because|as|since|for|pending|owing|until|at|on|from|in favou?r|and replaced)\b))"
OF_ITSELF = re.compile(
    rf"{NOT_OF_IT}\b{WHICH}{PAPER}{WITHIN}(?:{IS})?{GONE}"
    rf"|{CLAUSE}{PAPER}\s+(?:{IS})?{GONE}"
    r"|\b(?:we|authors?|i)\s+(?:(?:have|has|had to|hereby|are|decided to|would like to|wish to)\s+){0,2}"
    rf"(?:withdr(?:aw|ew|awn|aws|awing)|retract(?:ed|s|ing)?)\s+{WHICH}{PAPER}\b{ELSEWHERE}",
    re.IGNORECASE,
)
ALONE = re.compile(rf"{CLAUSE}(?:temporarily\s+)?{GONE}{REASON}", re.IGNORECASE)
"""10 pages, withdrawn. In an abstract that is said of a paper at its start alone."""


def withdrawal(comment: str | None, abstract: str | None) -> str | None:
    """The sentence that says so; None where none does. "We withdraw labels" in an abstract says nothing of the paper."""
    said = [sentence for sentence in _sentences(comment) if OF_ITSELF.search(sentence) or ALONE.search(sentence)]
    for index, sentence in enumerate(_sentences(abstract)):
        if OF_ITSELF.search(sentence) or (index == 0 and ALONE.match(sentence)):
            said.append(sentence)
    return next(iter(said), None)


def _sentences(text: str | None) -> Iterator[str]:
    return (found[0].strip() for found in SENTENCE.finditer(text or ""))
