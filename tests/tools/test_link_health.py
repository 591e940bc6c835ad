"""Link health on the site: the page says what an invented ledger says, and marks stand beside the right links."""

from __future__ import annotations

import dataclasses
import html
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from tools.catalog import ROOT, Catalog, load
from tools.draft import read_all
from tools.links import ledger
from tools.links.collect import collect
from tools.links.model import MEANINGS, STATUSES, VERDICTS, Failure, Row
from tools.links.verdicts import NO_FRAGMENT, SOFT_404
from tools.pages import paging
from tools.pages.health import holders
from tools.pages.records import read_runs
from tools.render import main, render
from tools.schema import Link

KESTREL, FEATHERS, SURVEY = (f"catalog/{name}.yaml" for name in ("papers/kestrel", "datasets/feathers", "surveys/birds-2022"))
ARXIV, DOI = "https://arxiv.org/abs/2103.00010", "https://doi.org/10.1234/icb.2021.1"
CODE, THREAD, TGZ = (
    "https://code.example/kestrel",
    "https://code.example/kestrel/issues/1",
    "https://feathers.example/feathers.tgz",
)
HOME, LIST, SITE, REPOSITORY = (
    "http://feathers.example/",
    "https://code.example/list",
    "https://aviary.example/",
    "https://code.example/aviary",
)
COPY = "https://web.archive.org/web/20240102030405/"
FIRST, LONG_AGO, SINCE, OLD, NEW = (date(2026, *day) for day in ((1, 2), (5, 6), (7, 1), (7, 10), (7, 12)))


def row(url: str, verdict: str = "ok", **more: object) -> Row:
    return Row(**{"url": url, "first_seen": FIRST, "checked": NEW, "status": 200, "verdict": verdict} | more)


def dead(url: str, **more: object) -> Row:
    return row(url, "dead", **{"status": 404, "failures": 4, "failing_since": SINCE, "last_ok": LONG_AGO} | more)


def by_url(*rows: Row) -> dict[str, Row]:
    return {one.url: one for one in rows}


@pytest.fixture
def catalog(tree: Path) -> Catalog:
    return load(tree)[0]


@pytest.fixture
def edited(tree: Path) -> Callable[..., Catalog]:
    """The invented catalog with pieces of its files replaced; whether the rules like it doesn't matter here."""

    def edit(*changes: tuple[str, str, str]) -> Catalog:
        for name, old, new in changes:
            text = (tree / name).read_text(encoding="utf-8")
            assert old in text
            (tree / name).write_text(text.replace(old, new, 1), encoding="utf-8")
        return whatever_stands_in(tree)

    return edit


def whatever_stands_in(root: Path) -> Catalog:
    draft = read_all(root)
    assert draft.manifest
    assert not draft.problems
    return Catalog(root, draft.manifest, **draft.entries)


def health(catalog: Catalog, *rows: Row) -> str:
    return render(catalog, ledger=by_url(*rows))["links.md"]


def text_of(fragment: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", fragment)).split())


def tables(page: str) -> dict[str, list[list[str]]]:
    """The texts of the cells of each table's rows, by its heading."""
    found = re.findall(r"^## (\w+).*?<tbody>(.*?)</tbody>", page, re.DOTALL | re.MULTILINE)
    return {
        heading: [[text_of(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line)] for line in body.split("</tr>")[:-1]]
        for heading, body in found
    }


def links(page: str) -> list[tuple[str, str, str]]:
    """The links that lead out: address, what else the tag has, and what comes right behind the link."""
    found = re.finditer(r'<a\b([^>]*?) href="(https?://[^"]*)"([^>]*)>.*?</a>', page, re.DOTALL)
    return [(html.unescape(one[2]), one[1] + one[3], page[one.end() : one.end() + 400].split("<a ", 2)[:2]) for one in found]


def marked(page: str, url: str) -> list[str | None]:
    """The mark behind each link to an address."""
    return [_mark(behind) for found, _, behind in links(page) if found == url]


def _mark(behind: list[str]) -> str | None:
    found = (
        re.match(r'class="fate__mark fate__mark--(\w+)"[^>]*>\1<', behind[1])
        if behind[0].strip().startswith('<span class="fate"')
        else None
    )
    return found and found[1]


# --------------------------------------------------------------------------------------------------- whose addresses these are


def test_the_site_finds_the_addresses_that_the_checker_finds_and_in_the_same_entries(tree, edited):
    edited(
        (KESTREL, '"10.1234/icb.2021.1"', '"10.1002/(sici)1099<1::aid>3.0.co;2-9"'),
        (KESTREL, "It then looks", "It (see https://a.example/it_(1)). It then looks"),
        (KESTREL, '"Nest-50"', '"Nest-50 https://quoted.example/"'),
        (KESTREL, "names the backbone.", "names the backbone: https://evidence.example/a,b."),
        (KESTREL, "said: {backbone: nest-50}", 'said: {backbone: nest-50, variant: "https://said.example/"}'),
        ("catalog.yaml", "terms: Invented.", 'terms: "Invented, https://terms.example/."'),
        ("catalog.yaml", "extras: {}", "extras: {}\nlink_exceptions:\n  - {url: https://code.example/list, reason: see https://no.example/, until: 2026-01-01}"),
    )  # fmt: skip
    for root in (tree, ROOT):
        expected = {target.url: {place.entry or None for place in target.places} for target in collect(read_all(root))}
        found = holders(whatever_stands_in(root))
        assert {url: {holder and "/".join(holder) for holder in of} for url, of in found.items()} == expected
        assert [url for url, of in found.items() if len(of) > len(set(of))] == []
    assert "https://said.example/" in holders(whatever_stands_in(tree))


# -------------------------------------------------------------------------------------------------------- nothing is invented


@pytest.mark.parametrize(
    "rows", [(), (dead("https://elsewhere.example/"),), (Row(url=CODE, first_seen=FIRST, verdict="dead"),)],
    ids=["no ledger", "a ledger of other addresses", "a ledger without a look"],
)  # fmt: skip
def test_what_was_never_looked_at_is_not_checked_yet_and_has_no_mark(catalog, rows):
    pages = render(catalog, ledger=by_url(*rows))
    assert "Not checked yet. None of the catalog's 9 addresses has been looked at." in pages["links.md"]
    assert [cells[0] for cells in tables(pages["links.md"])["Verdicts"]] == list(VERDICTS)
    assert list(tables(pages["links.md"])) == ["Verdicts"]
    assert pages == render(catalog)
    assert not [path for path, page in pages.items() if 'class="fate"' in str(page) or 'rel="nofollow' in str(page)]


def test_an_empty_ledger_and_none_make_the_same_pages(tree, catalog):
    before = render(catalog, ledger=ledger.read(tree / ledger.FILE))
    ledger.write(tree / ledger.FILE, [])
    assert render(catalog, ledger=ledger.read(tree / ledger.FILE)) == before == render(catalog)


def test_the_real_site_says_what_the_real_ledger_says():
    rows = ledger.read(ROOT / ledger.FILE)
    pages = render(load(ROOT)[0], read_runs(ROOT), rows)
    assert ("Not checked yet." in pages["links.md"]) == (not any(one.checked for one in rows.values()))


# --------------------------------------------------------------------------------------------------------------- what is told


def test_the_page_counts_and_lists_what_the_ledger_knows_of_the_catalogs_addresses(catalog):
    page = health(
        catalog,
        row(ARXIV, checked=OLD, last_ok=OLD, archived=True),
        dead(CODE, archive=COPY + CODE),
        row(TGZ, "broken", status="certificate", failing_since=SINCE),
        row(DOI, "wrong", title="Wrens\n of the\tWorld", last_ok=LONG_AGO),
        row(HOME, "moved", last_ok=NEW, moved_to="https://feathers.example/"),
        row(THREAD, "blocked", status=403),
        row(LIST, "unknown", status="timed out", last_ok=LONG_AGO),
        Row(url=SITE, first_seen=FIRST),
        dead("https://elsewhere.example/", checked=date(2020, 1, 1)),
    )
    assert "7 of the catalog's 9 addresses were looked at, last on" in page
    assert re.findall(r'<time datetime="([\d-]+)">\1</time>', page) == ["2026-07-12", "2026-07-10"]
    assert "2 were never looked at." in page
    assert "1 of those looked at" in page
    assert "elsewhere.example" not in page
    found = tables(page)
    assert found.pop("Verdicts") == [[verdict, "1", MEANINGS[verdict]] for verdict in VERDICTS]
    looked = "looked at 2026-07-12"
    assert found == {
        "Dead": [["Kestrel", CODE, "answers with status 404", f"failing since 2026-07-01 last right 2026-05-06 {looked}", "saved copy"]],
        "Broken": [["Feathers", TGZ, "its certificate isn't valid", f"failing since 2026-07-01 {looked}", "not known"]],
        "Wrong": [["Kestrel", DOI, "answers with another paper: “Wrens of the World”", f"last right 2026-05-06 {looked}", "not known"]],
        "Moved": [["Feathers", HOME, "its host answers by https, too", f"last right 2026-07-12 {looked}", "https://feathers.example/"]],
        "Blocked": [["Kestrel", THREAD, "answers with status 403", looked]],
        "Unknown": [["catalog.yaml", LIST, "nobody answers in time", f"last right 2026-05-06 {looked}"]],
    }  # fmt: skip
    assert '<a href="../papers/kestrel/">Kestrel</a>' in page
    assert '<a href="../datasets/feathers/">Feathers</a>' in page
    assert '<a href="#dead">dead</a>' in page


def test_every_verdict_and_every_status_that_is_a_word_is_explained():
    assert set(MEANINGS) == set(VERDICTS)
    assert set(STATUSES) == {*get_args(Failure), SOFT_404, NO_FRAGMENT}


@pytest.mark.parametrize(
    ("verdict", "linked"),
    [("dead", False), ("broken", False), ("wrong", False), ("moved", True), ("blocked", True), ("unknown", True)],
)
def test_no_address_that_may_be_anybodys_by_now_can_be_clicked_on_the_page(catalog, verdict, linked):
    found = {url: tag for url, tag, _ in links(health(catalog, row(CODE, verdict, moved_to="https://new.example/")))}
    assert found == ({CODE: ' rel="nofollow noopener"'} if linked else {})


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({}, "not known"),
        ({"moved_to": "https://new.example/"}, "https://new.example/"),
        ({"moved_to": "https://new.example/", "archive": COPY + CODE}, "https://new.example/ , or the saved copy"),
        ({"archive": "https://evil.example/web.archive.org/web/1/"}, "not known"),
        ({"archive": "javascript:alert(1)//https://web.archive.org/web/1"}, "not known"),
    ],
)
def test_only_the_internet_archives_copies_are_linked_as_such(catalog, more, place):
    pages = render(catalog, ledger=by_url(dead(CODE, **more)))
    assert tables(pages["links.md"])["Dead"][0][-1] == place
    copies = re.findall(r'<a href="([^"]*)"[^>]*>saved copy</a>', pages["papers/kestrel.md"])
    assert copies == ([more["archive"]] if place.endswith("saved copy") else [])


def test_an_address_that_many_entries_share_names_some_of_them_and_counts_the_rest(catalog):
    kestrel = catalog.papers["kestrel"]
    copies = {f"kestrel-{number}": kestrel.model_copy(update={"name": f"Kestrel {number}"}) for number in range(5)}
    page = health(dataclasses.replace(catalog, papers=copies), dead(CODE))
    assert tables(page)["Dead"][0][0] == "Kestrel 0 , Kestrel 1 , Kestrel 2 and 2 more"


def test_what_a_person_has_said_is_to_be_left_alone_has_the_reason_and_no_mark(edited):
    exception = "{url: https://code.example/kestrel, verdicts: [dead], reason: It <b>answers</b> people., until: 2026-07-12}"
    catalog = edited(("catalog.yaml", "extras: {}", f"extras: {{}}\nlink_exceptions:\n  - {exception}"))
    pages = render(catalog, ledger=by_url(dead(CODE)))
    assert "Left alone: It <b>answers</b> people. (until 2026-07-12)" in tables(pages["links.md"])["Dead"][0][2]
    assert marked(pages["papers/kestrel.md"], CODE) == [None]
    for other in (dead(CODE, checked=date(2026, 7, 13)), row(CODE, "broken", status="certificate")):
        pages = render(catalog, ledger=by_url(other))
        assert "Left alone" not in pages["links.md"]
        assert marked(pages["papers/kestrel.md"], CODE) == [other.verdict]


# ------------------------------------------------------------------------------------------------------------------- marks


@pytest.mark.parametrize(
    ("known", "mark", "meaning"),
    [
        (dead(CODE), "dead", f"{MEANINGS['dead']} It was last seen right on 2026-05-06."),
        (row(CODE, "broken", status="certificate"), "broken", MEANINGS["broken"]),
        (row(CODE, "wrong", archived=True), "wrong", MEANINGS["wrong"]),
        (row(CODE, "moved", moved_to='https://new.example/"><i>'), "moved", 'It leads elsewhere now: https://new.example/"><i>.'),
        (row(CODE, "moved"), "moved", "It leads elsewhere now."),
        (row("http://feathers.example/", "moved", moved_to="https://feathers.example/"), None, None),
        (row("http://feathers.example/", "moved", moved_to="https://feathers.example/new"), "moved", "It leads elsewhere now: https://feathers.example/new."),
        (row(CODE, archived=True), "archived", "Its owner has closed this repository for changes."),
        (row(CODE, "moved", archived=True), "archived", "Its owner has closed this repository for changes."),
        (row(CODE), None, None),
        (row(CODE, "blocked", status=403), None, None),
        (row(CODE, "unknown", status=404, failures=2, failing_since=SINCE), None, None),
    ],
)
def test_readers_are_warned_of_what_is_known_to_be_amiss_and_of_nothing_else(catalog, known, mark, meaning):
    page = render(catalog, ledger=by_url(known))["papers/kestrel.md" if known.url == CODE else "datasets/feathers.md"]
    assert marked(page, known.url) == [mark]
    assert page.count('class="fate"') == bool(mark)
    titles = re.findall(r'class="fate__mark[^"]*" href="../../links/#verdicts" title="([^"]*)"', page)
    assert [html.unescape(title) for title in titles] == ([meaning] if mark else [])
    nofollow = [' rel="nofollow noopener"' in tag for url, tag, _ in links(page) if url == known.url]
    assert nofollow == [mark in ("dead", "broken", "wrong")]


def test_the_mark_stands_beside_every_link_to_that_address_wherever_it_is_shown(edited):
    catalog = edited(
        (KESTREL, "{from: paper, locator: Table 3,", "{from: paper, locator: Table 3, url: https://source.example/,"),
        (KESTREL, "locator: train.py}", "locator: train.py, url: https://field.example/}"),
        (KESTREL, "names the backbone.\n", "names the backbone.\n    url: https://evidence.example/\n"),
        (SURVEY, "kind: journal\n", 'kind: journal\nids: {doi: "10.1234/jb.1"}\nlinks:\n  - {kind: pdf, url: https://survey.example/}\n'),
        (FEATHERS, "classes: 100\n", 'ids: {doi: "10.1234/a<b>"}\nclasses: 100\n'),
        ("catalog/workshops/nesting-1.yaml", "summary:", "links:\n  - {kind: home, url: https://nesting.example/}\nsummary:"),
        ("catalog/challenges/moult.yaml", "summary:", "links:\n  - {kind: home, url: https://moult.example/}\nsummary:"),
    )  # fmt: skip
    pages = render(catalog, ledger=by_url(*map(dead, holders(catalog))))
    found = {
        path: [(url, _mark(behind)) for url, _, behind in links(page)] for path, page in pages.items() if path.endswith(".md")
    }
    outward = {
        path: {
            url: mark for url, mark in urls if not url.startswith((f"{REPOSITORY}/issues/new", "https://creativecommons.org/"))
        }
        for path, urls in found.items()
    }
    assert {path: set(urls) for path, urls in outward.items() if urls} == {
        "index.md": {LIST, REPOSITORY},
        "approaches.md": {LIST},
        "corrections.md": {LIST, "https://evidence.example/"},
        "papers/kestrel.md": {ARXIV, DOI, CODE, THREAD, LIST, "https://source.example/", "https://field.example/", "https://evidence.example/"},
        "datasets/feathers.md": {HOME, TGZ, LIST, "https://doi.org/10.1234/a%3Cb%3E"} - {LIST},
        "leaderboards/feathers.md": {LIST, "https://source.example/", "https://field.example/"},
        "surveys.md": {"https://survey.example/"},
        "workshops-and-challenges.md": {"https://nesting.example/", "https://moult.example/"},
    }  # fmt: skip
    assert {mark for urls in outward.values() for mark in urls.values()} == {"dead"}


def test_no_mark_stands_beside_a_link_to_another_address(catalog):
    page = render(catalog, ledger=by_url(dead(CODE)))["papers/kestrel.md"]
    found = {url: _mark(behind) for url, _, behind in links(page) if not url.startswith(f"{REPOSITORY}/issues/new")}
    assert found == {CODE: "dead", ARXIV: None, DOI: None, LIST: None, THREAD: None}


# ------------------------------------------------------------------------------------------------------------ hostile ledgers


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><script>x</script>', "a\n\n# b\n\n<script>x</script>", "</td></table>\n\n~~~\n"]
)
def test_what_strangers_wrote_into_the_ledger_comes_out_as_text_on_one_line(catalog, hostile):
    pages = render(
        catalog,
        ledger=by_url(
            row(CODE, "wrong", title=hostile, moved_to=hostile, archive=f"https://web.archive.org/{hostile}"),
            row(ARXIV, "moved", moved_to=hostile),
            row(DOI, "unknown", status=hostile),
        ),
    )
    once = " ".join(hostile.split())
    found = tables(pages["links.md"])
    assert text_of(html.escape(once)) in found["Wrong"][0][2]
    assert found["Moved"][0][-1] == found["Unknown"][0][2] == text_of(html.escape(once))
    for path in ("links.md", "papers/kestrel.md"):
        text = pages[path].split("\n---\n", 1)[1]
        assert "<script" not in text
        assert html.escape(once).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text


def test_a_hostile_address_comes_out_as_text(catalog):
    hostile = "https://x.example/<script>alert(1)</script>&amp;*a*_b_"
    link = Link(kind="project", url=hostile)
    papers = {"kestrel": catalog.papers["kestrel"].model_copy(update={"links": [link]})}
    for known in (dead(hostile), row(hostile, "blocked")):
        pages = render(dataclasses.replace(catalog, papers=papers), ledger=by_url(known))
        assert tables(pages["links.md"])[known.verdict.capitalize()][0][1] == hostile
        assert "<script" not in pages["links.md"] + pages["papers/kestrel.md"].split("\n---\n", 1)[1]


# ----------------------------------------------------------------------------------------------------------------- long lists


def test_a_long_list_goes_on_over_pages_and_verdicts_are_linked_where_they_begin(catalog, monkeypatch):
    links_of = {number: Link(kind="project", url=f"https://p.example/{number:04}") for number in range(450)}
    papers = {f"p-{n:04}": catalog.papers["kestrel"].model_copy(update={"links": [link]}) for n, link in links_of.items()}
    large = dataclasses.replace(catalog, papers=papers)
    rows = by_url(*(row(link.url, "blocked" if number % 3 else "dead") for number, link in links_of.items()))
    pages = render(large, ledger=rows)
    parts = [pages[path] for path in ("links.md", "links/page/2.md", "links/page/3.md")]
    assert "links/page/4.md" not in pages
    shown = [[cells[1] for heading, table in tables(part).items() if heading != "Verdicts" for cells in table] for part in parts]
    assert [len(urls) for urls in shown] == [200, 200, 50]
    assert "401 to 450 of 450 addresses, page 3 of 3" in parts[2]
    assert [list(tables(part)) for part in parts] == [["Verdicts", "Dead", "Blocked"], ["Blocked"], ["Blocked"]]
    assert '<a rel="next" href="page/2/">Next</a>' in parts[0]

    monkeypatch.setattr(paging, "SIZE", 1000)
    [whole] = [page for path, page in render(large, ledger=rows).items() if re.fullmatch(r"links(/.*)?\.md", path)]
    assert [url for urls in shown for url in urls] == [
        cells[1] for heading in ("Dead", "Blocked") for cells in tables(whole)[heading]
    ]
    monkeypatch.setattr(paging, "SIZE", 150)
    assert '<a href="page/2/#blocked">blocked</a>' in render(large, ledger=rows)["links.md"]


# ------------------------------------------------------------------------------------------------------------------ the build


def test_the_same_ledger_makes_the_same_pages_in_whatever_order_it_is_read(catalog):
    rows = [dead(CODE, archive=COPY), row(ARXIV, "moved"), row(TGZ, "blocked"), row(HOME, "blocked"), row(LIST, archived=True)]
    assert render(catalog, ledger=by_url(*rows)) == render(catalog, ledger=by_url(*reversed(rows)))


def test_every_day_on_the_page_is_the_ledgers(catalog):
    page = health(catalog, dead(CODE), row(ARXIV, "moved", last_ok=OLD))
    assert set(re.findall(r"\d{4}-\d\d-\d\d", page)) == {str(day) for day in (LONG_AGO, SINCE, OLD, NEW)}


def test_the_command_reads_the_ledger(tree, tmp_path):
    ledger.write(tree / ledger.FILE, [dead(CODE)])
    assert main(["--root", str(tree), "--out", str(tmp_path / "docs")]) == 0
    assert marked((tmp_path / "docs/papers/kestrel/index.md").read_text(encoding="utf-8"), CODE) == ["dead"]
    assert "1 of the catalog's 9 addresses" in (tmp_path / "docs/links/index.md").read_text(encoding="utf-8")


def test_a_ledger_that_cant_be_read_is_told_and_leaves_the_docs_folder_as_it_was(tree, tmp_path, capsys):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "old.md").touch()
    (tree / ledger.FILE).write_text('{"url": "https://a.example/"}\n', encoding="utf-8")
    assert main(["--root", str(tree), "--out", str(tmp_path / "docs")]) == 1
    assert (tmp_path / "docs" / "old.md").exists()
    assert f'{tree / ledger.FILE}:1: "first_seen" is missing; ' in capsys.readouterr().err


def test_the_site_needs_nothing_that_only_the_checker_needs(tree, tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "tools.render", "--root", str(tree), "--out", str(tmp_path / "docs")]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in shown.stderr.splitlines()}
    assert "pydantic" in loaded
    assert not loaded & {"filelock", "h2", "httpcore2", "httpx2", "rich", "trustme"}
