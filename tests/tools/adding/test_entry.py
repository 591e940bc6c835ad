"""An entry of what was found and said; and one that is there, filled up without losing anything."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.adding.entry import Words, missing, new_entry, updated
from tools.adding.merge import Facts, Stated
from tools.adding.record import Refusal
from tools.catalog import ROOT
from tools.comments import read_comments
from tools.normalize import write
from tools.number import Number
from tools.reading import from_text
from tools.schema import UNPRINTABLE, Paper

TODAY = datetime.date(2026, 11, 25)
KNOWN = {"title": "Kestrels", "authors": ["Ada Falk"], "year": 2021, "venue": "cvpr", "ids": {"arxiv": "2011.00001"}}
SUMMARY = "Small falcons look alike. This tells them apart."


def facts(**more: Any) -> Facts:
    return Facts(data=KNOWN | more)


def test_an_entry_holds_what_was_found_and_what_was_said():
    words = Words(name="K", approaches=("attention",), summary=SUMMARY, code=("https://github.com/a/b",), other_code=("https://github.com/c/d",), no_results="None.")
    assert new_entry(facts(), words, TODAY) == KNOWN | {
        "name": "K",
        "approaches": ["attention"],
        "summary": SUMMARY,
        "links": [
            {"kind": "code", "official": True, "url": "https://github.com/a/b"},
            {"kind": "code", "official": False, "url": "https://github.com/c/d"},
        ],
        "no_results": "None.",
        "added": TODAY,
    }


def test_whatever_nobody_said_is_named_with_the_option_that_says_it():
    open_facts = Facts(data={"title": "K"}, missing={"venue": "no source says where", "year": "no source gives it", "authors": "no source names them"})
    lacks = missing(new_entry(open_facts, Words(), TODAY), open_facts)
    assert list(lacks) == ["venue", "year", "authors", "approaches", "summary", "results"]
    assert [re.search(r"--[a-z-]+|arXiv id", how)[0] for how in lacks.values()] == ["--venue", "--year", "arXiv id", "--approach", "--summary", "--result"]


def test_a_complete_entry_lacks_nothing():
    data = new_entry(facts(), Words(approaches=("attention",), summary=SUMMARY, no_results="None."), TODAY)
    assert missing(data, facts()) == {}


# ---------------------------------------------------------------------------------------------------------------- update


def test_update_fills_what_is_missing_and_keeps_what_is_there():
    held = KNOWN | {"name": "Mine", "links": [{"kind": "paper", "url": "https://arxiv.org/abs/2011.00001"}], "approaches": ["attention"], "summary": SUMMARY, "no_results": "None."}
    found = facts(title="Other", year=2020, volume="3", pages="1-2", ids={"arxiv": "2011.00001", "doi": "10.1/x"}, links=[{"kind": "paper", "url": "https://doi.org/10.1/x"}])
    found.by = {"title": "Crossref", "year": "Crossref"}
    data, against = updated(held, found, Words(approaches=("transformer", "attention")), Stated())
    assert data == held | {
        "volume": "3",
        "pages": "1-2",
        "ids": {"arxiv": "2011.00001", "doi": "10.1/x"},
        "links": [*held["links"], {"kind": "paper", "url": "https://doi.org/10.1/x"}],
        "approaches": ["attention", "transformer"],
    }
    assert against == [
        "title: the entry has Kestrels, Crossref Other; the entry was kept",
        "year: the entry has 2021, Crossref 2020; the entry was kept",
    ]


def test_capitals_and_accents_alone_are_no_disagreement():
    assert updated(KNOWN | {"title": "KESTRELS"}, facts(), Words(), Stated())[1] == []


def test_a_reason_why_there_are_no_results_is_not_overruled():
    result = {"dataset": "d", "metric": "top-1", "value": 90, "sources": [{"from": "paper", "value": 90}]}
    with pytest.raises(Refusal, match=r'says why it has no results \("None yet\."\); if it has some now, remove that by hand'):
        updated(KNOWN | {"no_results": "None yet."}, facts(), Words(results=(result,)), Stated())


@pytest.mark.parametrize(
    ("words", "stated"),
    [
        (Words(summary="Another text. It differs."), Stated()),
        (Words(no_results="Never."), Stated()),
        (Words(name="Other"), Stated()),
        (Words(), Stated(venue="iccv")),
        (Words(), Stated(year=2019)),
    ],
)
def test_update_replaces_nothing_whatever_is_stated(words, stated):
    with pytest.raises(Refusal, match="--update replaces nothing"):
        updated(KNOWN | {"name": "K", "summary": SUMMARY, "results": [{"dataset": "d", "value": 1}]}, facts(), words, stated)


# -------------------------------------------------------------------------------------------------------------- round trip

texts = st.text(min_size=1, max_size=60).filter(lambda text: re.fullmatch(rf"[^\s{UNPRINTABLE}]([^{UNPRINTABLE}]*[^\s{UNPRINTABLE}])?", text))
digits = st.integers(0, 999).map(str)
values = st.tuples(st.integers(0, 99), digits).map(lambda pair: Number.of(float(f"{pair[0]}.{pair[1]}"), f"{pair[0]}.{pair[1]}"))
urls = texts.map(lambda text: "https://example.org/" + re.sub(r"\s", "", text))
results = st.builds(
    lambda value, locator, variant, size: {"dataset": "d", "metric": "top-1", "value": value, "variant": variant, "input_size": size, "sources": [{"from": "paper", "locator": locator, "value": value}]},
    values, texts, texts, st.integers(16, 4096),
)  # fmt: skip
found = st.fixed_dictionaries(
    {"title": texts, "authors": st.lists(texts, min_size=1, max_size=4), "year": st.integers(1990, 2030), "venue": st.just("cvpr")},
    optional={
        "ids": st.fixed_dictionaries({}, optional={"arxiv": st.just("2011.00010"), "doi": texts.map(lambda text: "10.1234/" + re.sub(r"\s", "", text) + "x")}),
        "pages": digits,
        "volume": digits,
        "number": texts,
        "links": st.lists(urls.map(lambda url: {"kind": "paper", "url": url}), min_size=1, max_size=2),
    },
).map(lambda data: Facts(data=data))
said = st.builds(
    Words,
    name=st.none() | texts,
    approaches=st.just(("attention",)),
    summary=texts,
    code=st.lists(urls, max_size=2).map(tuple),
    no_results=texts,
    results=st.lists(results, max_size=3, unique_by=lambda result: result["variant"]).map(tuple),
)


@given(found, said)
@settings(max_examples=150)
def test_any_entry_that_is_written_is_loaded_back_equal(found, said):
    data = new_entry(found, said, TODAY)
    loaded = from_text(write(data, Paper), "new.yaml").data
    Paper.model_validate(loaded)
    assert loaded == data
    assert [result["value"].text for result in loaded.get("results", [])] == [result["value"].text for result in data.get("results", [])]


FILES = sorted((ROOT / "catalog/papers").glob("*.yaml"))


@given(st.sampled_from(FILES), found, said, st.lists(st.tuples(st.integers(0, 400), st.text("abc#:'\"- ", max_size=12)), max_size=5))
@settings(max_examples=80)
def test_update_loses_no_field_and_no_comment(file, found, said, comments):
    """Comments are put above any line at which a key or an item starts."""
    lines = file.read_text(encoding="utf-8").split("\n")
    starts = [number for number, line in enumerate(lines) if re.match(r"(- |  - )?[a-z_]+:", line)]
    written = []
    for place, text in comments:
        number = starts[place % len(starts)]
        indent = re.match(r" *", lines[number])[0]
        written.append(f"# {text}".rstrip())
        lines[number] = f"{indent}{written[-1]}\n{lines[number]}"
    document = from_text("\n".join(lines), file.name)
    said = Words(name=document.data.get("name"), code=said.code, results=() if "no_results" in document.data else said.results)
    data, _ = updated(document.data, found, said, Stated())
    text = write(data, Paper, read_comments(document))
    after = from_text(text, file.name).data
    assert sorted(line.strip() for line in text.split("\n") if line.strip().startswith("#")) == sorted(written)
    assert lost(document.data, after) == []


def lost(before: Any, after: Any, at: str = "") -> list[str]:
    """Where something that was there isn't any more."""
    if isinstance(before, dict):
        return [place for key, value in before.items() for place in (lost(value, after[key], f"{at}.{key}") if key in after else [f"{at}.{key}"])]
    if isinstance(before, list):
        return [f"{at}[{number}]" for number, value in enumerate(before) if not any(lost(value, other) == [] for other in after)]
    return [] if before == after and getattr(before, "text", "") == getattr(after, "text", "") else [at]
