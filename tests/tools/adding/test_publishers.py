"""Publishers' pages: CVF, ECVA, AAAI, OpenReview."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.adding.publishers import PUBLISHERS, can_read, read
from tools.adding.record import NoAnswer, NotThere, Record, Refusal
from tools.adding.services import SERVICES

CVF = "https://openaccess.thecvf.com"
ECVA = "https://www.ecva.net/papers"
AAAI = "https://ojs.aaai.org/index.php/AAAI/article"
FORUM = "https://openreview.net/forum?id=Bird0Id-1"


@pytest.fixture
def page(services, web):
    """Reads an address at which a page is served: a file, or HTML."""

    def read_page(url, content, **how):
        parts = url.removeprefix("https://").partition("/")
        services.serve(parts[0], f"/{parts[2]}", content if content.startswith("<") else Path(content), **how)
        return read(web, url)

    return read_page


def html(body="", **tags):
    head = "".join(f"<meta name='citation_{name}' content='{text}'>" for name, text in tags.items())
    return f"<html><head>{head}</head><body>{body}</body></html>"


# ---------------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("url", "page_url"),
    [
        (f"{CVF}/content/CVPR2021/html/A_B_CVPR_2021_paper.html", f"{CVF}/content/CVPR2021/html/A_B_CVPR_2021_paper.html"),
        (f"{CVF}/content/CVPR2021/papers/A_B_CVPR_2021_paper.pdf", f"{CVF}/content/CVPR2021/html/A_B_CVPR_2021_paper.html"),
        (
            f"{CVF}/content/CVPR2021/papers/A_B_CVPR_2021_paper.pdf#page=3",
            f"{CVF}/content/CVPR2021/html/A_B_CVPR_2021_paper.html",
        ),
        (
            "http://openaccess.thecvf.com/content_cvpr_2017/html/A_B_CVPR_2017_paper.html",
            f"{CVF}/content_cvpr_2017/html/A_B_CVPR_2017_paper.html",
        ),
        (f"{CVF}/content_ICCV_2019/papers/A_B_ICCV_2019_paper.pdf", f"{CVF}/content_ICCV_2019/html/A_B_ICCV_2019_paper.html"),
        (f"{CVF}/content_cvpr_2015/papers/A_B_2015_CVPR_paper.pdf", f"{CVF}/content_cvpr_2015/html/A_B_2015_CVPR_paper.html"),
        (
            f"{CVF}/content/ICCV2025W/W1/papers/A_B_ICCVW_2025_paper.pdf",
            f"{CVF}/content/ICCV2025W/W1/html/A_B_ICCVW_2025_paper.html",
        ),
        (
            f"{CVF}/content_CVPRW_2019/html/W1/A_B_CVPRW_2019_paper.html",
            f"{CVF}/content_CVPRW_2019/html/W1/A_B_CVPRW_2019_paper.html",
        ),
        (
            f"{ECVA}/eccv_2020/papers_ECCV/html/343_ECCV_2020_paper.php",
            f"{ECVA}/eccv_2020/papers_ECCV/html/343_ECCV_2020_paper.php",
        ),
        (
            "http://ecva.net/papers/eccv_2024/papers_ECCV/papers/04195.pdf",
            f"{ECVA}/eccv_2024/papers_ECCV/html/4195_ECCV_2024_paper.php",
        ),
        (
            f"{ECVA}/eccv_2018/papers_ECCV/papers/A_B_ECCV_2018_paper.pdf",
            f"{ECVA}/eccv_2018/papers_ECCV/html/A_B_ECCV_2018_paper.php",
        ),
        (f"{AAAI}/view/19967", f"{AAAI}/view/19967"),
        (f"{AAAI}/view/19967/19726", f"{AAAI}/view/19967"),
        (f"{AAAI}/download/19967/19726?inline=1", f"{AAAI}/view/19967"),
        ("https://www.aaai.org/ojs/index.php/AAAI/article/view/6822", f"{AAAI}/view/6822"),
        ("https://aaai.org/ojs/index.php/AAAI/article/view/6822/6676", f"{AAAI}/view/6822"),
        (FORUM, FORUM),
        (f"{FORUM}&noteId=abc#x", FORUM),
        ("https://openreview.net/forum?noteId=abc&id=Bird0Id-1", FORUM),
        ("https://openreview.net/pdf?id=Bird0Id-1", FORUM),
        ("https://www.openreview.net/pdf?id=Bird0Id-1", FORUM),
    ],
)
def test_a_papers_page_is_known_from_all_its_addresses(url, page_url):
    publisher = next(publisher for publisher in PUBLISHERS if can_read(url) == publisher.NAME)
    assert publisher.page_of(url) == page_url
    assert page_url.split("/")[2] in SERVICES


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"{CVF}/CVPR2021?day=all", "no paper's page at CVF; expected one that ends in _paper.html"),
        (f"{CVF}/content/CVPR2021/supplemental/A_supplemental.pdf", "no paper's page at CVF"),
        (
            f"{ECVA}/eccv_2022/papers_ECCV/papers/136780286.pdf",
            r"doesn't tell the paper's page; give that one, which ends in _ECCV_2022_paper\.php",
        ),
        ("https://www.ecva.net/papers.php", "no paper's page at ECVA"),
        ("https://www.aaai.org/ocs/index.php/AAAI/AAAI18/paper/view/16000", "no paper's page at AAAI"),
        ("https://ojs.aaai.org/index.php/AAAI/issue/view/507", "no paper's page at AAAI"),
        ("https://openreview.net/group?id=ICLR.cc", "no paper's page at OpenReview"),
        ("https://openreview.net/pdf/0123456789abcdef.pdf", "no paper's page at OpenReview"),
        ("https://openreview.net/forum?id=../../x", "no paper's page at OpenReview"),
        ("https://example.org/paper.html", "no page that can be read; pages of CVF, ECVA, AAAI, OpenReview can be"),
    ],
)
def test_other_addresses_are_refused_with_what_was_expected(services, web, url, shown):
    with pytest.raises(Refusal, match=shown):
        read(web, url)
    assert services.requests == []


@pytest.mark.parametrize("url", ["https://example.org/x", "https://openaccess.thecvf.com.example.org/content", "ResNet", ""])
def test_others_pages_are_nobodys(url):
    assert can_read(url) is None


# ---------------------------------------------------------------------------------------------------------------- CVF


def test_cvf_tells_all_of_a_paper(page):
    url = f"{CVF}/content/CVPR2099/html/Wren_Your_Wren__My_Bird_CVPR_2099_paper.html"
    assert page(url, "cvf/new.html") == Record(
        source="CVF",
        where=url,
        title="Your Wren & My Bird: Fine-Grained, or Not",
        authors=("Ada Wren", "Bo Gull"),
        year=2099,
        container="Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)",
        pages="11476-11485",
        arxiv="2499.00004",
        links=(("paper", url), ("pdf", f"{CVF}/content/CVPR2099/papers/Wren_Your_Wren__My_Bird_CVPR_2099_paper.pdf")),
        abstract="Whether a wren is a bird depends on who asks.",
    )


def test_cvfs_workshops_are_told_by_the_bibtex_alone(page):
    record = page(
        f"{CVF}/content_cvpr_2018_workshops/html/w1/Muller_Counting_Nests_CVPR_2018_paper.html", "cvf/old_workshop.html"
    )
    assert record.container == "The IEEE Conference on Computer Vision and Pattern Recognition (CVPR) Workshops"
    assert (record.pages, record.doubts) == (None, ())  # its pages are 0-0
    assert record.links[1] == ("pdf", f"{CVF}/content_cvpr_2018_workshops/papers/w1/Muller_Counting_Nests_CVPR_2018_paper.pdf")


def test_what_a_page_says_in_two_ways_is_doubted(page):
    record = page(f"{CVF}/content/CVPR2099/html/A_paper.html", "cvf/differing.html")
    assert (record.title, record.year, record.authors) == ("Counting Nests", 2018, ("Ada Wren", "Bo Gull"))
    assert record.doubts == (
        'The page\'s own title is "Counting Nests", its BibTeX has "Counting Eggs".',
        'The page\'s own year is "2018", its BibTeX has "2019".',
        "The page's authors are Ada Wren, its BibTeX's Ada Wren, Bo Gull.",
    )


def test_damaged_bibtex_is_doubted_and_the_tags_are_read(page):
    record = page(
        f"{CVF}/content/X/html/A_paper.html",
        html("<pre>@InProceedings{x, title = {Open</pre>", title="Nests", author="Wren, Ada"),
    )
    assert (record.title, record.authors) == ("Nests", ("Ada Wren",))
    assert record.doubts[0].startswith("The page's BibTeX can't be read")


def test_bibtex_alone_will_do(page):
    bibtex = "@inproceedings{x, title={Nests}, author={Wren, Ada}, year={2020}, booktitle={Proceedings of Nests}}"
    record = page(f"{CVF}/content/X/html/A_paper.html", html(f"<pre>{bibtex}</pre>"))
    assert (record.title, record.authors, record.year, record.container) == ("Nests", ("Ada Wren",), 2020, "Proceedings of Nests")


@pytest.mark.parametrize(
    "link", ["http://arxiv.org/abs/2499.00004v2", "https://arxiv.org/pdf/2499.00004.pdf", "https://www.arxiv.org/abs/2499.00004"]
)
def test_an_arxiv_link_is_an_arxiv_id(page, link):
    record = page(f"{CVF}/content/X/html/A_paper.html", html(f"[<a href='{link}'>arXiv</a>]", title="Nests"))
    assert record.arxiv == "2499.00004"


def test_a_link_in_the_abstract_is_no_arxiv_id_of_the_paper(page):
    record = page(
        f"{CVF}/content/X/html/A_paper.html", html("See <a href='https://arxiv.org/abs/2499.00004'>the others</a>", title="Nests")
    )
    assert record.arxiv is None


@pytest.mark.parametrize(
    "pdf",
    [
        "http://example.org/x.pdf",
        "https://example.org/x.pdf",
        "javascript:alert(1)",
        "//example.org/x.pdf",
        "https://[",
        f"{CVF}/a b",
    ],
)
def test_a_pdf_elsewhere_is_no_link(page, pdf):
    assert [kind for kind, _ in page(f"{CVF}/content/X/html/A_paper.html", html(title="Nests", pdf_url=pdf)).links] == ["paper"]


def test_a_page_in_another_charset_than_it_says_is_read_with_holes(services, web):
    services.serve("openaccess.thecvf.com", "/content/X/html/A_paper.html", html(title="Café").encode("latin-1"))
    assert read(web, f"{CVF}/content/X/html/A_paper.html").title == "Caf�"


# --------------------------------------------------------------------------------------------------------------- ECVA


def test_ecva_tells_all_of_a_paper(page):
    url = f"{ECVA}/eccv_2020/papers_ECCV/html/392_ECCV_2020_paper.php"
    assert page(url, "ecva/2020.html") == Record(
        source="ECVA",
        where=url,
        title="Channels of the Chaffinch",
        authors=("Ada Wren", "Bo Gull", "Łukasz Sikora"),
        year=2020,
        container="Proceedings of the European Conference on Computer Vision (ECCV)",
        doi="10.1007/978-3-030-00000-0_24",
        links=(("paper", url), ("pdf", f"{ECVA}/eccv_2020/papers_ECCV/papers/123650392.pdf")),
        abstract='"A song has channels."',
    )


def test_ecvas_authors_of_2018_stand_family_name_first(page):
    record = page(f"{ECVA}/eccv_2018/papers_ECCV/html/A_ECCV_2018_paper.php", "ecva/2018.html")
    assert (record.authors, record.year, record.container) == (
        ("Ada Wren", "Bo Gull"),
        2018,
        "European Conference on Computer Vision",
    )


# --------------------------------------------------------------------------------------------------------------- AAAI


def test_aaai_tells_all_of_a_paper(page):
    url = f"{AAAI}/view/900001"
    assert page(url, "aaai/article.html") == Record(
        source="AAAI",
        where=url,
        title="TransWren: A Transformer for Wrens",
        authors=("Ada Wren", "محمد الطيور"),
        year=2022,
        container="Proceedings of the AAAI Conference on Artificial Intelligence",
        volume="36",
        number="1",
        pages="852-860",
        doi="10.5555/aaai.v36i1.1",
        links=(("paper", url), ("pdf", f"{AAAI}/download/900001/900002")),
        abstract="Wrens are small.",
    )


# --------------------------------------------------------------------------------------------------------- OpenReview


@pytest.fixture
def openreview(services, web):
    """Reads a paper at OpenReview whose note is a file, or has this content."""

    def look(content=None, **fields):
        note = (
            Path("openreview", content)
            if content
            else {"notes": [{"content": {name: {"value": value} for name, value in fields.items()}}]}
        )
        services.serve("api2.openreview.net", "/notes?id=Bird0Id-1", note)
        return read(web, FORUM)

    return look


def test_openreview_tells_all_of_an_accepted_paper(openreview):
    assert openreview("accepted.json") == Record(
        source="OpenReview",
        where=FORUM,
        title="Song by Song: n-Grams of Birds",
        authors=("Ada Wren", "Bo Gull"),
        year=2024,
        container="The Twelfth International Conference on Learning Representations",
        links=(("paper", FORUM), ("pdf", "https://openreview.net/pdf?id=Bird0Id-1")),
        abstract="Songs have grams.",
    )


def test_openreviews_withdrawn_submission_is_told_and_has_no_venue(openreview):
    record = openreview("withdrawn.json")
    assert (record.withdrawn, record.container) == ("ICLR 2024 Conference Withdrawn Submission", None)


@pytest.mark.parametrize(
    ("venue", "venue_id"),
    [
        ("Submitted to ICLR 2024", "ICLR.cc/2024/Conference/Rejected_Submission"),
        ("", "ICLR.cc/2024/Conference/Rejected_Submission"),
        ("ICLR 2024 Conference Desk Rejected Submission", "ICLR.cc/2024/Conference/Desk_Rejected_Submission"),
        ("ICLR 2024 Conference Submission", "ICLR.cc/2024/Conference/Submission"),
        ("Under review for TMLR", "TMLR/Under_Review"),
    ],
)
def test_what_openreviews_conference_did_not_accept_has_no_venue(openreview, venue, venue_id):
    bibtex = "@inproceedings{x, title={Nests}, author={Ada Wren}, booktitle={Submitted to The Twelfth Nest}, year={2024}}"
    record = openreview(title="Nests", authors=["Ada Wren"], venue=venue, venueid=venue_id, _bibtex=bibtex)
    assert (record.preprint, record.container, record.withdrawn) == (True, None, None)
    assert record.doubts == (f'OpenReview has it as "{venue or venue_id}": not accepted there, or not yet.',)


@pytest.mark.parametrize(
    ("venue", "container", "year"),
    [
        ("ICLR 2024 poster", "ICLR", 2024),
        ("NeurIPS 2023 spotlight", "NeurIPS", 2023),
        ("ICLR 2023 notable top 5%", "ICLR", 2023),
        ("ICLR 2018 Conference Poster", "ICLR", 2018),
        ("Accepted by TMLR", "TMLR", None),
        ("CVPR 2020", "CVPR", 2020),
        ("FGVC Workshop at CVPR 2021 Oral", "FGVC Workshop at CVPR", 2021),
        ("CoRR 2021", None, 2021),
        (None, None, None),
    ],
)
def test_openreviews_venue_is_a_name_and_a_year(openreview, venue, container, year):
    record = openreview(title="Nests", authors=["Ada Wren"], venue=venue)
    assert (record.container, record.year, record.preprint, record.doubts) == (container, year, container is None, ())


@pytest.mark.parametrize("authors", [None, ["Anonymous"], [], "", {}])
def test_authors_that_openreview_hides_are_doubted(openreview, authors):
    record = openreview(title="Nests", authors=authors, venue="ICLR 2024 poster")
    assert (record.authors, record.doubts) == ((), ("OpenReview doesn't tell who its authors are.",))


def test_an_older_paper_is_asked_for_at_the_older_api(services, web):
    services.serve("api2.openreview.net", "/notes", {"name": "NotFoundError"}, status=404)
    services.serve("api.openreview.net", "/notes", Path("openreview/old.json"))
    record = read(web, "https://openreview.net/forum?id=B1ackb1rd")
    assert (record.title, record.container, record.year) == ("Blackbirds", "ICLR", 2018)


@pytest.mark.parametrize("notes", [[], None, [None], "x"])
def test_a_paper_that_openreview_does_not_know(services, web, notes):
    for host in ("api2.openreview.net", "api.openreview.net"):
        services.serve(host, "/notes", {"notes": notes})
    with pytest.raises(NotThere, match="OpenReview knows no paper Bird0Id-1"):
        read(web, FORUM)


def test_where_the_api_wants_to_see_a_browser_the_page_is_read_and_doubted(services, web):
    services.serve("api2.openreview.net", "/notes", Path("openreview/challenge.json"), status=403)
    services.serve("openreview.net", "/forum?id=Bird0Id-1", Path("openreview/forum.html"))
    record = read(web, FORUM)
    assert (record.authors, record.complete, record.year) == (("Bo Gull",), False, None)
    assert record.container == "The Twelfth International Conference on Learning Representations"
    assert "doesn't tell whether the paper was accepted" in record.doubts[0]
    assert record.doubts[1] == "OpenReview's page names Bo Gull alone, as it does for papers of several authors."


def test_bibtex_that_openreviews_page_holds_ready_is_read(services, web):
    services.serve("api2.openreview.net", "/notes", status=403)
    held = "%40inproceedings%7Bx%2C%20title%3D%7BSong%20by%20Song%7D%2C%20author%3D%7BAda%20Wren%20and%20Bo%20Gull%7D%2C%20year%3D%7B2024%7D%7D"
    services.serve(
        "openreview.net", "/forum", html(f'<a data-bibtex="{held}">BibTeX</a>', title="Song by Song", author="Bo Gull")
    )
    record = read(web, FORUM)
    assert (record.authors, record.complete, record.year) == (("Ada Wren", "Bo Gull"), True, 2024)


def test_where_both_want_to_see_a_browser_that_is_told_with_what_to_do(services, web):
    services.serve("api2.openreview.net", "/notes", Path("openreview/challenge.json"), status=403)
    services.serve("openreview.net", "/forum", Path("openreview/browser_check.html"))
    with pytest.raises(NoAnswer, match=r"wants to see a browser before it shows .*; save the BibTeX there and give that file"):
        read(web, FORUM)


# ------------------------------------------------------------------------------------------------------------- in all


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("openreview/browser_check.html", "CVF wants to see a browser"),
        (
            html("<p>A list of papers</p>"),
            "has neither citation tags nor BibTeX: it is no paper's page, or CVF has changed its pages",
        ),
        ("<", "has neither citation tags nor BibTeX"),
        ("<pre>" * 20_000, "has neither citation tags nor BibTeX"),
        ("<meta name=citation_title content=''>", "has neither citation tags nor BibTeX"),
        ("<?xml version='1.0'?><feed/>", "has neither citation tags nor BibTeX"),
        ("<br>" * 200_000, "has neither citation tags nor BibTeX"),
        ("<br>" * 250_001, "is longer than 1 MB, which no paper's page is"),
    ],
)
def test_what_is_no_papers_page_is_told(page, content, shown):
    with pytest.raises(NoAnswer, match=shown):
        page(f"{CVF}/content/X/html/A_paper.html", content)


@pytest.mark.parametrize("again", ["<!--", "<![CDATA[", "</", "<a b='", "<pre>", "<ul><li>"])
def test_a_page_that_was_made_to_take_long_is_read_as_far_as_a_page_of_a_paper_goes(page, again):
    said = page(f"{CVF}/content/X/html/A_paper.html", html(again * (100_000 // len(again)), title="Birds"))
    assert said.title == "Birds"


def test_a_characters_number_of_thousands_of_digits_is_no_fault_of_a_page(page):
    assert page(f"{CVF}/content/X/html/A_paper.html", html(f"&#{'9' * 5000};", title="Birds")).title == "Birds"


def test_the_tags_and_the_bibtex_of_a_long_page_are_read_and_what_stands_far_below_is_not(page):
    bibtex = "<div class='bibref'>@article{a, title={Birds}, pages={1-9}}</div>"
    long = "<p>A bird.</p>" * 60_000
    assert page(f"{CVF}/content/X/html/A_paper.html", html(bibtex + long, title="Birds")).pages == "1-9"
    assert page(f"{CVF}/content/X/html/B_paper.html", html(long + bibtex, title="Birds")).pages is None


def test_what_looks_like_a_tag_inside_of_one_or_in_a_comment_does_no_harm(page):
    said = page(
        f"{CVF}/content/X/html/A_paper.html",
        """<!DOCTYPE html><!-- <meta name="citation_title" content="Wrong"> --><meta name="citation_title" content="A < B > C">
        <!--x--><meta content="It's" name=x><div id="authors">A 1 < 2 Falk</div><!-- never closed <meta name="citation_volume" content="1">""",
    )
    assert (said.title, said.volume) == ("A < B > C", None)


@pytest.mark.parametrize(
    ("name", "given_name_first"),
    [
        ("Wren, Ada", "Ada Wren"),
        ("Ada Wren", "Ada Wren"),
        ("van der Gull, Bo", "Bo van der Gull"),
        ("Wren, Jr., Ada", "Ada Wren Jr."),
    ],
)
def test_names_come_given_name_first(page, name, given_name_first):
    assert page(f"{CVF}/content/X/html/A_paper.html", html(title="Nests", author=name)).authors == (given_name_first,)


def test_a_name_that_reads_like_several_peoples_is_doubted(page):
    record = page(f"{CVF}/content/X/html/A_paper.html", html(title="Nests", author="Wren, Ada; Gull, Bo"))
    assert record.authors == ("Wren, Ada; Gull, Bo",)
    assert record.doubts == ('An author\'s name was left as it stands there: found "Wren, Ada; Gull, Bo", expected one person.',)
