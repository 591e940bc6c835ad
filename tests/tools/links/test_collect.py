"""Every address of the catalog is found, once, with each place where it begins."""

from __future__ import annotations

import pytest

from tools.catalog import ROOT
from tools.draft import read_all
from tools.links.collect import addresses, collect

KESTREL, SISKIN, MANIFEST = "catalog/papers/kestrel.yaml", "catalog/papers/siskin.yaml", "catalog.yaml"


def edited(tree, name, old, new):
    file = tree / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def places(tree):
    return {target.url: [f"{p.path}:{p.line}:{p.column} {p.field} {p.entry}".strip() for p in target.places] for target in collect(read_all(tree))}


def test_each_address_of_the_invented_tree_is_found_with_its_places(tree):
    assert places(tree) == {
        "http://feathers.example/": ["catalog/datasets/feathers.yaml:5:23 links[0].url datasets/feathers"],
        "https://arxiv.org/abs/2103.00010": [f"{KESTREL}:7:14 ids.arxiv papers/kestrel", f"{KESTREL}:9:24 links[0].url papers/kestrel"],
        "https://aviary.example/": ["catalog.yaml:3:7 site"],
        "https://code.example/aviary": ["catalog.yaml:4:13 repository"],
        "https://code.example/kestrel": [f"{KESTREL}:10:39 links[1].url papers/kestrel"],
        "https://code.example/kestrel/issues/1": [f"{KESTREL}:43:10 reproductions[0].url papers/kestrel"],
        "https://code.example/list": ["catalog.yaml:7:8 seed_list.url"],
        "https://doi.org/10.1234/icb.2021.1": [f"{KESTREL}:7:33 ids.doi papers/kestrel"],
        "https://feathers.example/feathers.tgz": ["catalog/datasets/feathers.yaml:12:10 downloads[0].url datasets/feathers"],
    }


def test_only_a_papers_own_addresses_have_to_bear_its_title(tree):
    title = "Kestrel: Hovering Attention for Fine-Grained Recognition"
    bear = {target.url: target.title for target in collect(read_all(tree)) if target.title}
    assert bear == {"https://arxiv.org/abs/2103.00010": title, "https://doi.org/10.1234/icb.2021.1": title}


def test_a_link_of_another_kind_may_bear_any_title(tree):
    edited(tree, KESTREL, '{arxiv: "2103.00010", ', "{")
    edited(tree, KESTREL, "{kind: paper, url: https://arxiv.org/abs/2103.00010}", "{kind: pdf, url: https://kestrel.example/1.pdf}")
    assert [t.title for t in collect(read_all(tree)) if t.url == "https://kestrel.example/1.pdf"] == [None]


@pytest.mark.parametrize(
    ("sentence", "url", "where"),
    [
        ("See https://a.example/b. It is there.", "https://a.example/b", "9:7"),
        ("Größe ½ 🐦: (https://a.example/b_(c)), it is there. Yes.", "https://a.example/b_(c)", "9:15"),
        ("Words.\n  And https://a.example/b, on a second line.", "https://a.example/b", "10:7"),
    ],
)
def test_an_address_in_a_sentence_is_found_where_it_begins(tree, sentence, url, where):
    edited(tree, SISKIN, "Siskin compares two birds at a time. It asks which one is which.", sentence)
    assert places(tree)[url] == [f"{SISKIN}:{where} summary papers/siskin"]


def test_an_address_that_stands_twice_in_a_sentence_has_two_places(tree):
    edited(tree, SISKIN, "It asks which one is which.", "It asks https://a.example/, and https://a.example/ again.")
    assert places(tree)["https://a.example/"] == [f"{SISKIN}:9:48 summary papers/siskin", f"{SISKIN}:9:72 summary papers/siskin"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://a.example/x.", ["https://a.example/x."]),  # a field that is an address and nothing else
        ("so https://a.example/x.", ["https://a.example/x"]),
        ("(https://a.example/x)", ["https://a.example/x"]),
        ("(https://a.example/x_(y))", ["https://a.example/x_(y)"]),
        ("“https://a.example/x”, https://b.example/?q=1#f!", ["https://a.example/x", "https://b.example/?q=1#f"]),
        ("<https://a.example/x> and HTTPS://B.example", ["https://a.example/x", "HTTPS://B.example"]),
        ("see [here](https://a.example/x).", ["https://a.example/x"]),
        ("ahttps://a.example, ftp://a.example, https:// and http://...", []),
        ("`https://a.example/x`; 'https://a.example/y'", ["https://a.example/x", "https://a.example/y"]),
    ],
)
def test_what_is_an_address_in_a_text(text, found):
    assert addresses(text) == found


def test_a_folded_address_has_its_own_line(tree):
    long = "https://a.example/" + 150 * "x"
    edited(tree, KESTREL, "  - {kind: code, official: true, url: https://code.example/kestrel}", f"  - kind: code\n    official: true\n    url: >-\n      {long}")
    assert places(tree)[long] == [f"{KESTREL}:13:7 links[1].url papers/kestrel"]


def test_an_address_with_escapes_stands_where_its_scalar_does(tree):
    edited(tree, KESTREL, "url: https://code.example/kestrel}", 'url: "https://code.example/\\u00fc"}')
    assert places(tree)["https://code.example/ü"] == [f"{KESTREL}:10:39 links[1].url papers/kestrel"]


def test_the_characters_of_a_doi_that_mean_something_in_an_address_are_encoded(tree):
    edited(tree, KESTREL, '"10.1234/icb.2021.1"', '"10.1002/(SICI)1<7::AID>3.0.CO;2-#?%"')
    assert f"{KESTREL}:7:33 ids.doi papers/kestrel" in places(tree)["https://doi.org/10.1002/(SICI)1%3C7::AID%3E3.0.CO;2-%23%3F%25"]


def test_what_the_list_we_started_from_says_isnt_followed_nor_is_an_exception(tree):
    edited(tree, KESTREL, 'listed: "Nest-50"', 'listed: "https://gone.example/"')
    edited(tree, MANIFEST, "levels:", "link_exceptions:\n  - {url: https://excepted.example/, reason: It refuses., until: 2027-05-01}\nlevels:")
    assert not {"https://gone.example/", "https://excepted.example/"} & places(tree).keys()


def test_an_entry_that_isnt_valid_has_its_addresses_read_all_the_same(tree):
    edited(tree, KESTREL, "year: 2021", "year: x")
    found = {target.url: target.title for target in collect(read_all(tree))}
    assert found["https://code.example/kestrel"] is None
    assert "https://arxiv.org/abs/2103.00010" in found


def test_no_address_of_the_real_catalogs_links_is_missed():
    draft = read_all(ROOT)
    found = {target.url for target in collect(draft)}
    links = {link.url for _, _, entry in draft.all(*draft.entries) for link in entry.links or ()}
    assert links <= found
    assert len(links) > 100
