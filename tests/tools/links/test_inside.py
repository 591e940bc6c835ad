"""Each link within the site leads to a file and a place that are there; the rest is collected."""

from __future__ import annotations

import pytest

from tools.links.inside import check_site

BASE = "https://x.example/finch/"
SITE = {
    "b/index.html": '<p id="here"><a name="old">x</a><h2 id="größe &amp; co">',
    "c d/index.html": "",
    "picture.png": "",
    "picture 2.png": "",
    "style.css": "",
    "Big.html": "",
    "index.html": "",
}

LINKS = [
    # on a/index.html; what is wrong with it, None where nothing is
    ('<a href="../b/#here">', None),
    ('<a href="../b/#old">', None),
    ('<a href="../b/#gr%C3%B6%C3%9Fe%20&amp;%20co">', None),
    ('<a href="../b/#größe &amp; co">', None),
    ('<a href="../b/#nowhere">', '"../b/#nowhere" leads to b/index.html, which has no place called "nowhere"'),
    ('<a href="../b/#Here">', '"../b/#Here" leads to b/index.html, which has no place called "Here"'),
    ('<a href="../b/#:~:text=any">', None),
    ('<a href="../b/index.html#here">', None),
    ('<a href="../b/?page=2#here">', None),
    ('<a href="../b">', '"../b" leads to a folder; write the slash at its end, which not every host adds'),
    ('<a href="../c/">', '"../c/" leads to c/index.html, which isn\'t there'),
    ('<a href="../c%20d/">', None),
    ('<a href=" ../b/ ">', None),
    ("<a href=../b/>", None),
    ('<A HREF="../b/">', None),
    ('<a href="../b/index.md">', '"../b/index.md" leads to b/index.md, which isn\'t there'),
    ('<a href="../big.html">', '"../big.html" leads to big.html, which isn\'t there; Big.html is, and hosts tell capitals apart'),
    ('<a href="/finch/b/">', None),
    ('<a href="/finch/">', None),
    ('<a href="..">', None),
    ('<a href="/b/">', '"/b/" leads out of the site, which is published below /finch/'),
    ('<a href="../../b/">', '"../../b/" leads out of the site, which is published below /finch/'),
    ('<a href="https://x.example/finch/b/#here">', None),
    ('<a href="https://x.example/finch/c/">', '"https://x.example/finch/c/" leads to c/index.html, which isn\'t there'),
    ('<a href="//x.example/finch/c/">', '"//x.example/finch/c/" leads to c/index.html, which isn\'t there'),
    ('<a href="#top">', '"#top" leads to a/index.html, which has no place called "top"'),
    ('<a href="#"><a href=""><a href="?x=1"><a name>', None),
    ('<a href="https://[x">', '"https://[x" is no address'),
    ('<a href="http:///b/">', '"http:///b/" is no address'),
    ('<a href="mailto:a@x.example"><a href="javascript:x()"><a href="tel:1"><img src="data:image/png;base64,x">', None),
    ('<img src="../picture.png">', None),
    ('<img src="picture.png">', '"picture.png" leads to a/picture.png, which isn\'t there'),
    ('<img srcset="../picture.png 1x, ../picture%202.png 2x">', None),
    ('<img srcset="../picture.png 1x,../no.png 2x">', '"../no.png" leads to no.png, which isn\'t there'),
    ('<picture><source srcset="../no.png, ../picture.png 2x"></picture>', '"../no.png" leads to no.png, which isn\'t there'),
    ('<script src="../no.js"></script>', '"../no.js" leads to no.js, which isn\'t there'),
    ('<link rel="stylesheet" href="../no.css">', '"../no.css" leads to no.css, which isn\'t there'),
    ('<iframe src="../no.html"></iframe>', '"../no.html" leads to no.html, which isn\'t there'),
    ('<video poster="../no.png"></video>', '"../no.png" leads to no.png, which isn\'t there'),
    ('<form action="../no/"></form>', '"../no/" leads to no/index.html, which isn\'t there'),
    ('<meta http-equiv="refresh" content="0; url=../no/">', '"../no/" leads to no/index.html, which isn\'t there'),
    ('<meta http-equiv="Refresh" content="0;URL=\'../b/\'">', None),
    ('<meta http-equiv="refresh" content="30">', None),
    ('<meta property="og:image" content="https://x.example/finch/no.png">', '"https://x.example/finch/no.png" leads to no.png, which isn\'t there'),
    ('<p style="background: url(../no.png)">', '"../no.png" leads to no.png, which isn\'t there'),
    ("<style>p { background: url('../no.png') }</style>", '"../no.png" leads to no.png, which isn\'t there'),
    ("<style>/* url(../no.png) */</style><p>url(../no.png)</p>", None),
    ('<!-- <a href="../no/"> -->', None),
    ("<script>'<a href=\"../no/\">'</script>", None),
    ('<p data-href="../no/" title="<a href=../no/>">', None),
    ('<base href="../b/"><a href="../picture.png"><a href="index.html#here">', None),
    ('<base href="../c%20d/"><a href="no.html">', '"no.html" leads to c d/no.html, which isn\'t there'),
]  # fmt: skip


def written(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("link", "reason"), LINKS)
def test_what_is_wrong_with_a_link_is_said_wherever_it_stands(tmp_path, link, reason):
    found = check_site(written(tmp_path, SITE | {"a/index.html": link}), BASE)
    assert [finding.reason for finding in found.findings] == ([reason] if reason else [])
    assert {finding.verdict for finding in found.findings} <= {"broken"}
    assert found.external == []


def test_a_broken_link_has_its_place_and_the_address_it_leads_to(tmp_path):
    found = check_site(written(tmp_path, {"a/index.html": '<p>\n  <a\n href="x/">ü</a> <a href="y/">'}), BASE).findings
    assert [finding.target.url for finding in found] == [f"{BASE}a/x/", f"{BASE}a/y/"]
    assert [(p.path, p.line, p.column, p.field) for finding in found for p in finding.target.places] == [
        ("a/index.html", 2, 3, ""),
        ("a/index.html", 3, 18, ""),
    ]


def test_addresses_of_other_hosts_are_collected_with_their_places(tmp_path):
    page = '<link rel="preconnect" href="https://fonts.example"><a href="https://y.example/?a&amp;b#c">\n<a href="//y.example/"><a href="http://x.example/finch/">'
    found = check_site(written(tmp_path, {"index.html": page, "p/index.html": '<img src="https://y.example/?a&amp;b#c">'}), BASE)
    assert found.findings == []
    assert {target.url: [(p.path, p.line, p.column) for p in target.places] for target in found.external} == {
        "http://x.example/finch/": [("index.html", 2, 24)],
        "https://y.example/": [("index.html", 2, 1)],
        "https://y.example/?a&b#c": [("index.html", 1, 53), ("p/index.html", 1, 1)],
    }


def test_a_style_sheets_files_are_sought_from_where_it_stands(tmp_path):
    css = '/* url(no.png) */\n@import "more.css";\n@font-face { src: url( "fonts/a.woff2" ), url(data:x), url(fonts/no.woff2?v=1#iefix) }'
    found = check_site(written(tmp_path, {"css/x.css": css, "css/more.css": "", "css/fonts/a.woff2": ""}), BASE).findings
    assert [(f.target.url, f.target.places[0].line, f.target.places[0].column) for f in found] == [(f"{BASE}css/fonts/no.woff2?v=1#iefix", 3, 56)]


def test_the_page_for_missing_pages_is_shown_at_any_depth(tmp_path):
    page = '<a href="b/"><a href="/finch/b/"><a href="#here"><p id="here"><a href="?q">'
    found = check_site(written(tmp_path, {"404.html": page, "b/index.html": ""}), BASE).findings
    assert [finding.reason for finding in found] == ['"b/" leads to no/such/page/b/index.html, which isn\'t there']


def test_a_site_at_the_root_of_its_host_may_be_written_without_its_slash(tmp_path):
    files = {"a/index.html": '<a href="/b/"><a href="https://x.example/b/"><a href="https://x.example">', "b/index.html": "", "index.html": ""}
    assert check_site(written(tmp_path, files), "https://x.example").findings == []


def test_what_isnt_html_inside_is_looked_at_all_the_same(tmp_path):
    (tmp_path / "x.html").write_bytes(b"\xff\xfe<a href='no/'><a <b href=\"")
    assert len(check_site(tmp_path, BASE).findings) == 1


@pytest.mark.parametrize("base", ["http://[", "http:///b/"])
def test_a_base_that_is_no_address_is_told_and_left_out(tmp_path, base):
    page = f'<p>\n<base href="{base}"><a href="../b/"><a href="../no/">'
    found = check_site(written(tmp_path, SITE | {"a/index.html": page}), BASE).findings
    assert [finding.reason for finding in found] == [f'"{base}" is no address', '"../no/" leads to no/index.html, which isn\'t there']
    assert (found[0].target.places[0].line, found[0].target.places[0].column) == (2, 1)


@pytest.mark.parametrize("odd", ["<![foo bar]>", f"<p title='&#{'9' * 5000};'>"])
def test_a_page_that_cant_be_read_is_told_with_its_place(tmp_path, odd):
    found = check_site(written(tmp_path, {"a.html": f'<a href="no/">\n <b>{odd}'}), BASE).findings
    assert [finding.reason for finding in found] == [
        "from here on, the page can't be read: what stands here isn't HTML", '"no/" leads to no/index.html, which isn\'t there'
    ]  # fmt: skip
    place = found[0].target.places[0]
    assert (found[0].target.url, place.path, place.line, place.column) == (f"{BASE}a.html", "a.html", 2, 5)
