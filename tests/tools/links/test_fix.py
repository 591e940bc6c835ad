"""`--fix` puts an address in the place of another one, and changes nothing else; what it may not change, it tells."""

from __future__ import annotations

import copy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.catalog import ROOT, load
from tools.draft import read_all
from tools.links import fix
from tools.links.collect import collect
from tools.links.model import Finding, Place, Target
from tools.normalize import write
from tools.reading import from_text, read
from tools.schema import Paper

KESTREL, SISKIN, FEATHERS, MANIFEST = "catalog/papers/kestrel.yaml", "catalog/papers/siskin.yaml", "catalog/datasets/feathers.yaml", "catalog.yaml"
CODE = "https://code.example/kestrel"


def edited(tree, name, old, new):
    text = (tree / name).read_text(encoding="utf-8")
    assert old in text
    (tree / name).write_text(text.replace(old, new, 1), encoding="utf-8")


def moved(draft, new, **more):
    """The findings that these addresses have moved."""
    return [
        Finding(target=target, verdict="moved", reason="moved", suggestion=new[target.url], **({"fixable": True} | more))
        for target in collect(draft)
        if target.url in new
    ]


def fixed(tree, new, **more):
    """The lines taken away and those added, and what was told; the files are written."""
    draft = read_all(tree)
    found = fix.fixes(draft, moved(draft, new, **more))
    assert list(fix.apply(found.files)) == []
    assert load(tree)[0] is not None or found.files == []
    lines = [line for file in found.files for line in file.diff().split("\n")[2:] if line[0] in "+-"]
    return lines, found.left


def test_a_moved_address_is_replaced_in_its_line_alone(tree):
    lines, left = fixed(tree, {CODE: "https://code.example/falcon"})
    assert lines == [
        "-  - {kind: code, official: true, url: https://code.example/kestrel}",
        "+  - {kind: code, official: true, url: https://code.example/falcon}",
    ]
    assert left == []
    assert fixed(tree, {CODE: "https://code.example/falcon"}) == ([], [])


def test_all_places_of_all_files_are(tree):
    edited(tree, SISKIN, "approaches:", f"links:\n  - {{kind: video, url: {CODE}}}\napproaches:")
    edited(tree, KESTREL, 'correct: "Nest-101"', f'correct: "{CODE}"')
    edited(tree, MANIFEST, "https://code.example/list", CODE)
    assert fixed(tree, {CODE: "https://code.example/?a&b#c"})[0] == [
        f"-  url: {CODE}",
        '+  url: "https://code.example/?a&b#c"',
        f"-  - {{kind: code, official: true, url: {CODE}}}",
        '+  - {kind: code, official: true, url: "https://code.example/?a&b#c"}',
        f'-    correct: "{CODE}"',
        '+    correct: "https://code.example/?a&b#c"',
        f"-  - {{kind: video, url: {CODE}}}",
        '+  - {kind: video, url: "https://code.example/?a&b#c"}',
    ]


def test_in_catalog_yaml_an_address_gets_quotes_only_where_it_needs_them(tree):
    assert fixed(tree, {"https://code.example/list": "https://code.example/list/2#a"})[0] == [
        "-  url: https://code.example/list",
        "+  url: https://code.example/list/2#a",
    ]


def test_comments_stay(tree):
    edited(tree, KESTREL, f"url: {CODE}}}\n", f"url: {CODE}}}  # the authors' own\n# and no other\n")
    assert fixed(tree, {CODE: "https://code.example/falcon"})[0] == [
        f"-  - {{kind: code, official: true, url: {CODE}}}  # the authors' own",
        "+  - {kind: code, official: true, url: https://code.example/falcon}  # the authors' own",
    ]


def test_an_address_too_long_for_its_line_is_folded(tree):
    long = "https://code.example/" + 150 * "x"
    assert fixed(tree, {CODE: long})[0] == [f"-  - {{kind: code, official: true, url: {CODE}}}", "+  - kind: code", "+    official: true", "+    url: >-", f"+      {long}"]
    assert fixed(tree, {long: CODE})[0][-1] == f"+  - {{kind: code, official: true, url: {CODE}}}"


def test_by_https_nothing_says_any_longer_that_the_host_has_none(tree):
    assert fixed(tree, {"http://feathers.example/": "https://feathers.example/"}) == (
        ["-  - {kind: home, url: http://feathers.example/, https: false}", "+  - {kind: home, url: https://feathers.example/}"],
        [],
    )


def test_in_catalog_yaml_quotes_and_folds_are_kept(tree):
    edited(tree, MANIFEST, "  terms: Invented.", '  terms: Invented.\n  corrections:\n    - date: 2022-12-23\n      kind: link\n      field: a # b\n      correct: "https://code.example/1"\n'
           "      evidence: Seen.\n      url: >-\n        https://code.example/1\n    - {date: 2022-12-23, kind: link, field: b, evidence: x, url: https://code.example/1}")  # fmt: skip
    assert fixed(tree, {"https://code.example/1": "https://code.example/[2]"})[0] == [
        '-      correct: "https://code.example/1"', '+      correct: "https://code.example/[2]"',
        "-        https://code.example/1", "-    - {date: 2022-12-23, kind: link, field: b, evidence: x, url: https://code.example/1}",
        "+        https://code.example/[2]", '+    - {date: 2022-12-23, kind: link, field: b, evidence: x, url: "https://code.example/[2]"}',
    ]  # fmt: skip


def test_texts_ids_and_the_catalogs_own_addresses_are_told_and_left(tree):
    edited(tree, SISKIN, "It asks which one is which.", f"It asks {CODE}.")
    new = {
        CODE: "https://code.example/falcon",
        "https://doi.org/10.1234/icb.2021.1": "https://doi.org/10.1234/2",
        "https://code.example/aviary": "https://code.example/volary",
    }
    lines, left = fixed(tree, new)
    assert len(lines) == 2
    assert left == [
        f"{MANIFEST}:4:13: repository: https://code.example/aviary is at https://code.example/volary now; it is the catalog's own, so change it by hand",
        f"{SISKIN}:9:48: summary: {CODE} is at https://code.example/falcon now; it stands in a text, so change it by hand",
        f"{KESTREL}:7:33: ids.doi: https://doi.org/10.1234/icb.2021.1 is at https://doi.org/10.1234/2 now; it follows from an id, so change it by hand",
    ]


def test_what_stands_in_the_built_site_is_told_and_left(tree):
    draft = read_all(tree)
    places = (Place("index.html", 3, 9, "", ""), Place("papers/kestrel/index.html", 4, 1, "", ""))
    footer = Finding(target=Target("https://tool.example/", places), verdict="moved", reason="moved", suggestion="https://tool.example/2", fixable=True)
    found = fix.fixes(draft, [footer, *moved(draft, {CODE: "https://code.example/falcon"})])
    assert [file.name for file in found.files] == [KESTREL]
    assert found.left == [
        "index.html:3:9 and 1 more place: https://tool.example/ is at https://tool.example/2 now;"
        " it stands in the built site, so change by hand what that is made of"
    ]


def test_what_the_list_said_stays_word_for_word(tree):
    edited(tree, KESTREL, 'listed: "Nest-50"', f'listed: "{CODE}"')
    assert len(fixed(tree, {CODE: "https://code.example/falcon"})[0]) == 2
    assert f'listed: "{CODE}"' in (tree / KESTREL).read_text(encoding="utf-8")


@pytest.mark.parametrize("more", [{"fixable": False}, {"excepted": "somebody said so"}])
def test_what_needs_a_person_isnt_touched(tree, more):
    assert fixed(tree, {CODE: "https://code.example/falcon"}, **more) == ([], [])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (CODE, "https://arxiv.org/abs/2103.00010", "the same address as links[0]"),
        ("https://arxiv.org/abs/2103.00010", "https://arxiv.org/abs/2103.00011", "leads to another arXiv id"),
        (CODE, "http://code.example/falcon", "found http"),
        (CODE, "https://code.example/fal con", "expected an address"),
    ],
)
def test_a_file_that_would_make_the_catalog_invalid_is_left_and_the_others_are_not(tree, old, new, reason):
    before = (tree / KESTREL).read_bytes()
    lines, left = fixed(tree, {old: new, "http://feathers.example/": "https://feathers.example/"})
    assert len(lines) == 2
    assert (tree / KESTREL).read_bytes() == before
    assert left[-1].startswith(f"{KESTREL}: left as it is, since the catalog wouldn't be valid: {KESTREL}:")
    assert reason in left[-1]


def test_of_two_files_that_would_only_together_be_wrong_one_is_changed(tree):
    edited(tree, SISKIN, "approaches:", "links:\n  - {kind: pdf, url: https://siskin.example/1}\napproaches:")
    edited(tree, KESTREL, "{kind: code,", "{kind: pdf, url: https://kestrel.example/1}\n  - {kind: code,")
    one = "https://birds.example/1"
    lines, left = fixed(tree, {"https://siskin.example/1": one, "https://kestrel.example/1": one})
    assert [line[0] for line in lines] == ["-", "+"]
    assert re.match(f"{SISKIN}: left as it is, .*kestrel has this paper's address already", left[0])


def test_an_invalid_catalog_isnt_touched(tree):
    edited(tree, SISKIN, "year: 2020", "year: x")
    draft = read_all(tree)
    found = fix.fixes(draft, moved(draft, {CODE: "https://code.example/falcon"}))
    assert found.files == []
    assert found.left == ["nothing was changed: the catalog isn't valid; python -m tools.check_catalog tells what to mend first"]


def test_a_file_that_somebody_changes_meanwhile_is_left(tree):
    draft = read_all(tree)
    found = fix.fixes(draft, moved(draft, {CODE: "https://code.example/falcon"}))
    edited(tree, KESTREL, "Kestrel hovers", "Kestrel hangs")
    after = (tree / KESTREL).read_bytes()
    assert list(fix.apply(found.files)) == [f"{KESTREL}: left as it is: it was changed meanwhile; run the command again"]
    assert (tree / KESTREL).read_bytes() == after
    (tree / KESTREL).unlink()
    assert "can't be read" in next(fix.apply(found.files))


def test_a_comment_that_would_be_lost_keeps_its_file_as_it_is(tree):
    edited(tree, FEATHERS, "  - {kind: home, url: http://feathers.example/, https: false}", "  - kind: home\n    url: http://feathers.example/\n    # tried in 2022\n    https: false")
    assert fixed(tree, {"http://feathers.example/": "https://feathers.example/"}) == (
        [],
        [f"{FEATHERS}: left as it is: more than the address would change, a comment, say; change it by hand"],
    )


ADDRESSES = st.from_regex(re.compile(r"https?://[a-z0-9.-]{1,20}(/[\w.~%?#&=+@,;:()'!$*\[\]{}-]{0,160})?", re.ASCII), fullmatch=True)
TEXTS = st.lists(st.sampled_from(["about", "#", CODE, "- x:", "Größe", '"', "it."]), min_size=1, max_size=60).map(lambda words: "A " + " ".join(words))


@given(new=ADDRESSES, note=TEXTS, comment=TEXTS)
def test_whatever_the_new_address_the_rest_of_the_entry_stays(new, note, comment):
    data = copy.deepcopy(read(ROOT / "catalog" / "papers" / "transfg.yaml", "x").data)
    data["links"] = [{"kind": "code", "official": True, "url": CODE, "note": note}, {"kind": "project", "url": CODE}]
    text = write(data, Paper).replace("approaches:", f"# {comment}\napproaches:", 1)
    document = from_text(text, "catalog/papers/x.yaml")
    after = fix._changed(document, {CODE: new})
    expected = copy.deepcopy(data)
    expected["links"][0]["url"] = expected["links"][1]["url"] = new
    assert from_text(after, "x").data == expected
    assert f"# {comment}\n" in after
