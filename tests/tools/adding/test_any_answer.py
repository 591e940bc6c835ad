"""Whatever a service answers, however odd, the outcome is a record or a refusal in words."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools.adding import arxiv, crossref, openalex, semantic_scholar
from tools.adding.publishers import read
from tools.adding.record import Record, Refusal
from tools.adding.web import Answer
from tools.schema import TEXT_PATTERN

RESPONSES = Path(__file__).parents[2] / "data" / "responses"
FORUM = "https://openreview.net/forum?id=Bird0Id-1"
JSON_READERS = {
    "crossref/chapter_in_series.json": partial(crossref.lookup, doi="10.5555/x"),
    "crossref/retracted.json": partial(crossref.lookup, doi="10.5555/x"),
    "openalex/merged_work.json": partial(openalex.lookup, doi="10.5555/x"),
    "semantic_scholar/published.json": partial(semantic_scholar.lookup, doi="10.5555/x"),
    "openreview/accepted.json": partial(read, url=FORUM),
}
TEXT_READERS = {
    "arxiv/three_papers.xml": partial(arxiv.lookup, ids=["2499.00001"]),
    "cvf/new.html": partial(read, url="https://openaccess.thecvf.com/content/X/html/A_paper.html"),
    "ecva/2020.html": partial(read, url="https://www.ecva.net/papers/eccv_2020/papers_ECCV/html/1_ECCV_2020_paper.php"),
    "aaai/article.html": partial(read, url="https://ojs.aaai.org/index.php/AAAI/article/view/1"),
    "openreview/forum.html": partial(read, url=FORUM),
}
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([]), st.just({}), st.just([None]), st.just([[[]]]),
    st.just({"value": []}), st.just([{}]), st.just("\ud800"), st.sampled_from(["10.48550/arXiv.x", "<b", "&#0;", "\\", "$", "{\\'", "0000"]),
)  # fmt: skip
MANY = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


class Told:
    """In place of a `Web`: answers whatever it was told."""

    email = None

    def __init__(self, content: bytes) -> None:
        self.content = content

    def get(self, url: str, **options: object) -> Answer:
        return Answer(url=url, service="Service", status=200, kind="", content=self.content, charset="utf-8")


@st.composite
def damaged_json(draw, value):
    """A JSON value with odd things in place of some of its parts."""
    if draw(st.integers(0, 9)) == 0:
        return draw(ODD)
    if isinstance(value, dict):
        return {key: draw(damaged_json(item)) for key, item in value.items()}
    return [draw(damaged_json(item)) for item in value] if isinstance(value, list) else value


def texts_of(value):
    """All texts that a record has."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from texts_of(item)


def check_outcome(reader, content):
    """Whether one of the two that may come came, all its texts such as can be shown and written into an entry."""
    try:
        found = reader(Told(content))
    except Refusal:
        return
    for record in found.values() if isinstance(found, dict) else [found]:
        if isinstance(record, Record):
            texts = [text for value in vars(record).values() for text in texts_of(value)]
            assert [text for text in texts if not re.fullmatch(TEXT_PATTERN, text) or "\ud800" in text] == []


@pytest.mark.parametrize("file", JSON_READERS)
def test_any_json_is_a_record_or_a_refusal(file):
    whole = json.loads((RESPONSES / file).read_text(encoding="utf-8"))
    assert isinstance(JSON_READERS[file](Told(json.dumps(whole).encode())), Record)

    @MANY
    @given(damaged_json(whole))
    def check(damaged):
        check_outcome(JSON_READERS[file], json.dumps(damaged).encode())

    check()


@pytest.mark.parametrize("file", TEXT_READERS)
def test_any_text_is_a_record_or_a_refusal(file):
    whole = (RESPONSES / file).read_bytes()

    @MANY
    @given(
        st.integers(0, len(whole)),
        st.integers(0, 60),
        st.one_of(st.binary(max_size=6), st.sampled_from([b"<", b"&", b'"', b"{", b"\\"])),
    )
    def check(start, length, inserted):
        check_outcome(TEXT_READERS[file], whole[:start] + inserted + whole[start + length :])

    check()
