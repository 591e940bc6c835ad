"""One form for every entry; comments and facts survive it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tools.catalog import ROOT
from tools.normalize import normalize, write
from tools.reading import read
from tools.schema import FIELD_ORDER, KINDS, Paper

MESSY = """\
# a header

# about the title
title: "X: y"   # beside the title
authors: [A B]  # who
venue: aaai
year: 2022
# on top of ids
ids:
  doi: "10.1609/aaai.v36i1.19967"   # confirmed
  arxiv: "2103.07976"
approaches:
- transformer   # why
- attention
summary: >- # the summary
  A # no comment
  here.
# before results
results:
  # first result
  - metric: top-1
    dataset: cub-200-2011
    value: 90.00 # digits
    note: "it's # not"
    fields: {input_size: {url: https://a.b/c#d, from: authors}}
    sources:
    # a comment on the source
    - {value: 91.7, from: third-party} # src
    -
      from: seed-list
      # weird
      value: 91.7
added: 2026-11-24
# the end
"""
TIDY = """\
# a header

# about the title
title: "X: y"  # beside the title
authors: [A B]  # who
year: 2022
venue: aaai
# on top of ids
ids:
  arxiv: "2103.07976"
  doi: "10.1609/aaai.v36i1.19967"  # confirmed
approaches:
  - transformer  # why
  - attention
summary: >-  # the summary
  A # no comment here.
# before results
results:
  # first result
  - dataset: cub-200-2011
    metric: top-1
    value: 90.00  # digits
    note: "it's # not"
    fields:
      input_size: {from: authors, url: https://a.b/c#d}
    sources:
      # a comment on the source
      - {from: third-party, value: 91.7}  # src
      - from: seed-list
        # weird
        value: 91.7
added: 2026-11-24
# the end
"""


def normal(tmp_path: Path, text: str) -> str:
    file = tmp_path / "x.yaml"
    file.write_text(text, encoding="utf-8")
    return normalize(read(file, "x.yaml"), Paper)


def test_keys_quotes_folding_and_indentation_are_mended_and_every_comment_stays_with_its_fact(tmp_path):
    assert normal(tmp_path, MESSY) == TIDY


def test_the_normal_form_is_its_own_normal_form(tmp_path):
    assert normal(tmp_path, TIDY) == TIDY


@pytest.mark.parametrize("file", sorted(ROOT.glob("catalog/*/*.yaml")), ids=lambda file: file.stem)
def test_loading_and_writing_an_entry_gives_the_same_bytes(file):
    document = read(file, file.name)
    assert normalize(document, KINDS[file.parent.name]).encode() == file.read_bytes()


@pytest.mark.parametrize(
    "text",
    ["no", "2103.07976", "1e3", "a: b", "a #b", "trailing:", "#x", "- x", "[x]", "{x}", "it's", 'say "x"', "&a", "*a", "!x", "@x",
     "back\\slash", "null", "~", "2020-01-01", "a, b", "x]", "ünïcode", "日本語", "a\u2028b", "a\x85b", "0x1F", "1_000", "12:30", "<<", "15 part locations", "8 e5",
     "x" * 300, "word " * 60 + "end"],
)  # fmt: skip
@pytest.mark.parametrize("place", ["plain", "flow", "block", "folded"])
def test_any_text_is_read_back_as_it_was(text, place):
    data = {
        "plain": {"venue": text},
        "flow": {"links": [{"kind": text, "url": text}]},
        "block": {"authors": [text, "x" * 50]},
        "folded": {"summary": text},
    }[place]
    assert yaml.safe_load(write(data, Paper)) == data


@given(st.text(min_size=1), st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_whatever_text_is_written_is_read_back(text, items):
    data = {"title": text, "authors": items, "venue": text, "links": [{"kind": text, "url": text}], "summary": text}
    assert yaml.safe_load(write(data, Paper)) == data


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_an_entry_has_its_place_so_that_none_is_lost_when_it_is_written(kind):
    names = [field.alias or name for name, field in KINDS[kind].model_fields.items()]
    assert [name for name in names if name not in FIELD_ORDER] == []
