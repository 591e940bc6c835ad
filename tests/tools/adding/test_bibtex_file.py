"""A .bib file becomes records: field by field, with what can't be taken over told, and with nothing dropped in silence."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.adding.bibtex_file import read_bibtex
from tools.adding.record import Record, Refusal
from tools.adding.venues import venue_of
from tools.bibtex import bibliography, bibtex
from tools.canonical import characters
from tools.catalog import load
from tools.rules.form import NOT_ONE_PERSON
from tools.schema import TEXT_PATTERN

CATALOG, _ = load()
PAPER = CATALOG.papers["transfg"]


def read(fields: str, kind: str = "inproceedings") -> Record:
    [record] = read_bibtex(f"@{kind}{{key, {fields}}}", "a.bib")
    return record


# ----------------------------------------------------------------------------------------------------------- our own export


def test_our_own_export_is_read_back():
    records = read_bibtex(bibliography(CATALOG), "finch.bib")
    entries = [*CATALOG.papers.values(), *CATALOG.surveys.values()]
    assert len(records) == len(entries) >= 38
    for record, entry in zip(records, entries, strict=True):
        ids = entry.ids
        assert (record.title, list(record.authors), record.complete) == (entry.title, entry.authors, True)
        assert (record.year, record.volume, record.number, record.pages) == (entry.year, entry.volume, entry.number, entry.pages)
        assert (record.arxiv, record.doi) == (ids and ids.arxiv, ids and ids.doi)
        kind = CATALOG.manifest.venues[entry.venue].kind
        venue = entry.venue if kind in ("conference", "journal") else None
        assert (record.container and venue_of(record.container, CATALOG.manifest)) == venue
        assert record.preprint == (kind == "preprint")


PRINTABLE = st.characters(exclude_categories=("Cc", "Cs", "Cn", "Co", "Zl", "Zp"))
LETTERS = st.characters(categories=("Lu", "Ll", "Lt", "Lo"))
SPECIAL = st.sampled_from(list("\\{}$%&#_^~-`'\"<>!?=,@"))
ONE_TO_TEX = ("--", "``", "''", "?`", "!`")
TITLES = (
    st.text(PRINTABLE | SPECIAL, min_size=1)
    .map(lambda text: " ".join(characters(text).split()))
    .filter(lambda title: title and not any(pair in title for pair in ONE_TO_TEX))
)
WORDS = st.text(LETTERS, min_size=1, max_size=8).map(characters)
NAMES = (
    st.lists(WORDS, min_size=1, max_size=4)
    .map(" ".join)
    .filter(lambda name: not NOT_ONE_PERSON.search(name) and "and" not in name.casefold().split() and "undefined" not in name)
)


@given(TITLES)
def test_any_title_that_we_write_is_read_back(title):
    """But for those with a pair of characters that TeX writes as one (a dash, quotes), which the writer leaves alone."""
    [record] = read_bibtex(bibtex(PAPER.model_copy(update={"title": title}), CATALOG.manifest), "a.bib")
    assert record.title == title
    assert record.doubts == ()


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_any_names_that_we_write_are_read_back(names):
    """But for those that the catalog's own rule finds wrong, and those with "and" at an end."""
    [record] = read_bibtex(bibtex(PAPER.model_copy(update={"authors": names}), CATALOG.manifest), "a.bib")
    assert list(record.authors) == names
    assert record.complete


# ------------------------------------------------------------------------------------------------------------------ fields


def test_an_entry_becomes_a_record():
    text = """
    Some words of a page around it.

    @InProceedings{Xu_2021_CVPR,
        author    = {Xu, Furong and Wang, Meng},
        title     = {Discrimination-Aware Mechanism},
        booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
        month     = {June},
        year      = {2021},
        pages     = {813-822},
        url       = {https://openaccess.thecvf.com/content/CVPR2021/papers/Xu_paper.pdf}
    }
    """
    assert read_bibtex(text, "a.bib") == [
        Record(
            source="BibTeX",
            where="a.bib:4",
            title="Discrimination-Aware Mechanism",
            authors=("Furong Xu", "Meng Wang"),
            year=2021,
            container="Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)",
            pages="813-822",
            links=(("pdf", "https://openaccess.thecvf.com/content/CVPR2021/papers/Xu_paper.pdf"),),
        )
    ]


def test_all_entries_come_in_order_with_their_lines():
    records = read_bibtex("@misc{a, title={A}}\n\n@misc{b,\n title={B}}\n@misc{c, title={C}}", "x/many.bib")
    assert [(record.title, record.where) for record in records] == [
        ("A", "x/many.bib:1"),
        ("B", "x/many.bib:3"),
        ("C", "x/many.bib:5"),
    ]


@pytest.mark.parametrize(
    ("written", "doi"),
    [
        (r"10.1007/978-3-030-01264-9_26", "10.1007/978-3-030-01264-9_26"),
        (r"10.1007/978-3-030-01264-9\_26", "10.1007/978-3-030-01264-9_26"),
        (r"10.1007/978-3-030-01264-9{\_}26", "10.1007/978-3-030-01264-9_26"),
        (r"{10.1609/aaai.v36i1.19967}", "10.1609/aaai.v36i1.19967"),
        (r"https://doi.org/10.1016/j.neucom.2022.04.037", "10.1016/j.neucom.2022.04.037"),
        (r"https://doi.org/10.1007%2Fs10569-019-9946-9", "10.1007/s10569-019-9946-9"),
        (r"doi: 10.1109/TIP.2020.2973812", "10.1109/TIP.2020.2973812"),
        (
            r"10.1002/(SICI)1097-0258(19980815)17:15<1661::AID-SIM968>3.0.CO;2-2",
            "10.1002/(SICI)1097-0258(19980815)17:15<1661::AID-SIM968>3.0.CO;2-2",
        ),
        (r"10.1002/a\textless1661::b\textgreater{}3", "10.1002/a<1661::b>3"),
        (r"10.1002/a$<$b$>$c", "10.1002/a<b>c"),
        (r"10.1002/a&lt;b&gt;c", "10.1002/a<b>c"),
        (r"10.1002/100\%a\#b\&c", "10.1002/100%a#b&c"),
        (r"10.1002/100%a", "10.1002/100%a"),
    ],
)
def test_a_doi_comes_out_as_it_is(written, doi):
    assert read(f"doi = {{{written}}}").doi == doi


def test_a_doi_is_found_in_an_address_and_in_the_entrys_key_too():
    assert read(r"url = {https://doi.org/10.1007/978-3-030-58565-5\_10}").doi == "10.1007/978-3-030-58565-5_10"
    [springers] = read_bibtex('@InProceedings{10.1007/978-3-030-01264-9_26, title="A"}', "a.bib")
    assert springers.doi == "10.1007/978-3-030-01264-9_26"


@pytest.mark.parametrize(
    "fields",
    [
        "eprint = {2103.07976}, archivePrefix = {arXiv}",
        "eprint = {arXiv:2103.07976v3}, eprinttype = {arxiv}",
        "eprint = {2103.07976}",
        "eprint = {https://arxiv.org/abs/2103.07976v1}, eprinttype = {arXiv}",
        "journal = {arXiv preprint arXiv:2103.07976}",
        "journal = {arXiv e-prints}, pages = {arXiv--2103}, note = {arXiv: 2103.07976}",
        "journal = {CoRR}, volume = {abs/2103.07976}, number = {1}",
        "doi = {10.48550/arXiv.2103.07976}",
        "doi = {https://doi.org/10.48550/ARXIV.2103.07976}",
        "url = {https://arxiv.org/pdf/2103.07976v2.pdf}",
        r"howpublished = {\url{http://arxiv.org/abs/2103.07976}}",
        "ee = {https://arxiv.org/abs/2103.07976}",
        "note = {arXiv:2103.07976 [cs.CV]}",
    ],
)
def test_a_preprint_is_told_by_its_arxiv_id_wherever_it_stands(fields):
    record = read(f"title = {{A}}, {fields}", "article")
    assert (record.arxiv, record.preprint) == ("2103.07976", True)
    assert (record.doi, record.container, record.volume, record.number, record.pages) == (None,) * 5
    assert record.doubts == ()


def test_a_paper_with_a_venue_is_no_preprint_though_it_has_an_arxiv_id():
    record = read("booktitle = {CVPR}, eprint = {2103.07976}, archiveprefix = {arXiv}")
    assert (record.arxiv, record.container, record.preprint) == ("2103.07976", "CVPR", False)
    assert not read("title = {A}, doi = {10.1234/5}, eprint = {2103.07976}").preprint


def test_an_eprint_of_another_archive_is_no_arxiv_id():
    assert read("eprint = {1234567}, eprinttype = {jstor}").arxiv is None


@pytest.mark.parametrize(
    ("fields", "doubt"),
    [
        ("doi = {10.1234/a}, url = {https://doi.org/10.1234/b}", "the DOI is left out: found 10.1234/a and 10.1234/b"),
        ("doi = {see the page}", 'the DOI is left out: found "see the page", expected such as 10.1609/aaai.v36i1.19967'),
        ("eprint = {2103.07976}, note = {arXiv:2103.00001}", "the arXiv id is left out: found 2103.07976 and 2103.00001"),
        ("eprint = {cs.CV}, archiveprefix = {arXiv}", 'eprint is left out: found "cs.CV", expected an arXiv id such as 2103.07976'),
        ("url = {https://github.com/a/b}", "the address https://github.com/a/b is left out: it may be something else than the paper; add it by hand"),
        ("year = {in press}", 'the year is left out: found "in press", expected such as 2021'),
        ("year = {20210}", 'the year is left out: found "20210", expected such as 2021'),
        ("year = {2019}, booktitle = {Computer Vision -- ACCV 2018}", "year 2019 is left out: the venue's name has 2018"),
        ("pages = {20--10}", 'pages are left out: found "20–10", expected such as "852-860"'),
        ("pages = {1--3, 7}", 'pages are left out: found "1–3, 7", expected such as "852-860"'),
        ("pages = {1-1}", 'pages are left out: found "1-1", expected such as "852-860"'),
        ("booktitle = {Lecture Notes in Computer Science}", 'booktitle is left out: "Lecture Notes in Computer Science" is a series, not a venue'),
        ("series = {{LNCS}}, volume = {12365}", "volume 12365 is left out: it is the series', not the venue's"),
        ("author = {He, Ju and others}", 'the list of authors is incomplete: it ends after "Ju He"'),
        ("author = {A B, C D, E F}", 'the authors are left out: found "A B, C D, E F", expected one person; several people are joined by "and", not by commas'),
        ("author = {Kr\\'ol, Michaundefined}", 'the authors are left out: found "Kr\\\'ol, Michaundefined", expected one person'),
        (r"title = {On $x^{a+b}$}", "title has ^a+b, which has no plain form; compare it with the paper"),
        (r"title = {On \foo{birds}}", r"title has \foo, which has no plain form; compare it with the paper"),
        (r"author = {\foo{Ju} He}", r'an author, "Ju He", has \foo, which has no plain form'),
        ("journal = tip", 'journal is left out: it needs "tip", which no @string of the file defines'),
        ("crossref = {conf/iccv/2017}", 'the crossref "conf/iccv/2017" is left out: the file has no such entry, so what it says is missing'),
        (f"title = {{{'a' * 6000}}}", "title is left out: it has more than 5,000 characters"),
    ],
)  # fmt: skip
def test_what_is_not_taken_over_is_told(fields, doubt):
    assert read(fields).doubts == (doubt,)


def test_a_doubtful_value_is_left_out():
    record = read(
        "doi={x}, year={soon}, pages={9-1}, author={A, B, C, D}, eprint={x}, archiveprefix={arXiv}, url={http://x.org/y}"
    )
    assert (record.doi, record.year, record.pages, record.authors, record.arxiv, record.links) == (None, None, None, (), None, ())
    assert not record.complete


@pytest.mark.parametrize(
    ("written", "pages"),
    [("852--860", "852-860"), ("852-860", "852-860"), ("4239–4248", "4239-4248"), ("pp. 1 -- 9", "1-9"), ("103214", "103214"),
     ("1:1--1:23", "1:1-1:23"), ("e12--e19", "e12-e19"), ("{}", None), ("", None)],
)  # fmt: skip
def test_pages_in_the_catalogs_form(written, pages):
    assert read(f"pages = {{{written}}}").pages == pages
    assert read(f"pages = {{{written}}}").doubts == ()


@pytest.mark.parametrize(
    ("fields", "year"),
    [("year = 2021", 2021), ("year = {2021}", 2021), ("date = {2021-06-25}", 2021), ("booktitle = {2021 IEEE/CVF CVPR}", 2021),
     ("year = {2019}, booktitle = {Computer Vision -- ACCV 2018}", 2018), ("year = {2018}, booktitle = {ECCV 2018}", 2018),
     ("title = {A}", None)],
)  # fmt: skip
def test_the_year(fields, year):
    assert read(fields).year == year


def test_a_subtitle_belongs_to_the_title():
    assert read("title = {NeRF}, subtitle = {Representing Scenes}").title == "NeRF: Representing Scenes"


def test_links_are_of_the_paper_and_secure():
    record = read(
        r"url = {http://openaccess.thecvf.com/content/html/A\_b\_paper.html}, ee = {https://openreview.net/pdf/1.pdf}, biburl = {https://dblp.org/rec/x.bib}"
    )
    assert record.links == (
        ("paper", "https://openaccess.thecvf.com/content/html/A_b_paper.html"),
        ("pdf", "https://openreview.net/pdf/1.pdf"),
    )
    assert record.doubts == ()


def test_a_journal_of_biblatex_is_a_journal():
    assert read("journaltitle = {Neurocomputing}, issue = {3}", "article").container == "Neurocomputing"
    assert read("journaltitle = {Neurocomputing}, issue = {3}", "article").number == "3"


def test_latex_is_decoded_in_texts_and_not_in_addresses():
    record = read(
        r"author = {M{\"u}ller, J\"urgen and {OpenAI Team}}, title = {{B}irds \& $k$-means}, url = {https://openreview.net/forum?id=a\_b--c~d}"
    )
    assert (record.authors, record.title) == (("Jürgen Müller", "OpenAI Team"), "Birds & k-means")
    assert record.links == (("paper", "https://openreview.net/forum?id=a_b--c~d"),)


# ------------------------------------------------------------------------------------------------------------- whole files


def test_abbreviations_are_filled_in_and_joined():
    text = '@string{acm = "{ACM}"}\n@STRING(mm = acm # { Multimedia})\n@misc{k, booktitle = MM # " " # 2021, month = jun, title = "A"}'
    [record] = read_bibtex(text, "a.bib")
    assert record.container == "ACM Multimedia 2021"
    assert record.doubts == ()


PARENT = "@proceedings{Conf, title = {{ICCV} 2017}, booktitle = {{ICCV}}, year = 2017, publisher = {IEEE}, doi = {10.1/whole}, pages = {1--99}}"


@pytest.mark.parametrize("order", [1, -1])
def test_what_an_entry_does_not_say_it_has_from_its_proceedings(order):
    child = "@inproceedings{a, title = {A}, crossref = {conf}}"
    [record] = read_bibtex("\n".join([child, PARENT][::order]), "a.bib")
    assert (record.title, record.container, record.year) == ("A", "ICCV", 2017)
    assert (record.doi, record.pages) == (None, None)


def test_what_an_entry_says_itself_stands():
    [record] = read_bibtex(PARENT + "@inproceedings{a, crossref = {Conf}, year = {2018}, booktitle = {WACV}}", "a.bib")
    assert (record.container, record.year) == ("WACV", 2018)


def test_proceedings_that_no_entry_names_are_an_entry_of_their_own():
    assert [record.title for record in read_bibtex(PARENT, "a.bib")] == ["ICCV 2017"]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff@misc\n{k, title = {A}}",
        "@misc{k,\r\n title = {A}\r\n}\r\n",
        "@misc{k,\r title = {A}\r}",
        "@misc(k, title = {A})",
        "@misc{k, title = {A},}",
        "@misc{, title = {A}}",
        "@MISC {k , TITLE={A}}",
        "@misc\n{k, title = {A}}",
        "@comment{@misc{j, title = {B}}}\n@misc{k, title = {A}}",
        '@preamble{"\\newcommand{\\x}{y}"}\n@misc{k, title = {A}}',
        "% note {\n@misc{k, title = {A}}",
        "```bibtex\n@misc{k, title = {A}}\n```",
        "@alice said: see {this} = that:\n@misc{k, title = {A}}",
        '@misc{k, title = "A"}',
    ],
)
def test_what_people_paste_is_read(text):
    assert [record.title for record in read_bibtex(text, "a.bib")] == ["A"]


@pytest.mark.parametrize(
    ("value", "title"),
    [
        (r"{a\\}", "a"),  # bibtexparser takes the brace behind \\ for text
        (r'"a\\"', "a"),
        (r"{a \{ b}", "a { b"),
        ('{Your "Flamingo", or not}', 'Your "Flamingo", or not'),
        ('"Your {"}Flamingo{"}, or not"', 'Your "Flamingo", or not'),
        ("{mail @home {now}}", "mail @home now"),
        ("{a = b, c = d}", "a = b, c = d"),
        ("{A\\\n   b}", "A b"),
    ],
)
def test_a_value_with_what_looks_like_an_end_is_read_whole(value, title):
    record = read(f"title = {value}, year = 2021")
    assert (record.title, record.year) == (title, 2021)


@pytest.mark.parametrize(
    "text", ["@misc{a, title = {A\\\n b}}\n@misc{b}", "@misc{a,\r\n title = {A}}\r\n@misc{b}", "@misc{a}\r\r@misc{b}"]
)
def test_lines_are_counted_whatever_they_end_in(text):
    assert read_bibtex(text, "a.bib")[1].where == "a.bib:3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.bib: found no entry, expected such as @inproceedings"),
        ("Just words.", "a.bib: found no entry"),
        ("@string{a = {b}}", "a.bib: found no entry"),
        ("\n@misc{k, title = {A}", 'a.bib:2: can\'t read the entry that starts "@misc{k, title = {A}": unexpectedly reached end of file'),
        ("@misc{k, title = {A}\n\n@misc{m, title = {B}}", "a.bib:1: can't read the entry"),
        ("@misc{k,\n title = {A}},\n year = {2021}\n}", 'a.bib:3: found "year = {2021}" outside of any entry'),
        ("@misc{k, title = {A}}\n}", 'a.bib:2: found "}" outside of any entry'),
        ("misc{k, title = {A}}\n@misc{m, title = {B}}", 'a.bib:1: found "misc{k, title = {A}}" outside of any entry; look for a brace too many before it, or a missing "@"'),
        ("@misc{a, title = {A}}\n@ misc{b}", 'a.bib:2: found "@ misc{b}" outside of any entry'),
        ("@misc{k, author = {A and B}\n title = {T},\n year = 1}", 'a.bib:1: can\'t read the value of "author", which starts {A and B} title = {T}; look for a missing comma'),
        ("@misc{k, title = }", 'a.bib:1: can\'t read the value of "title", which is empty'),
        ("@misc{k, title {A}}", "a.bib:1: can't read the entry"),
        ("@misc{title = {A}}", "a.bib:1: can't read the entry"),
        ('@misc{k, title = "A, year = 2021}', "a.bib:1: can't read the entry"),
        ("@misc{k,\n title = {A},\n Title = {B}}", 'a.bib:3: "Title" stands twice in the entry "k"; keep one'),
        ("@misc{k,\n title = {A},\n title = {A}}", 'a.bib:3: "title" stands twice in the entry "k"; keep one'),
        ("@misc{k, title={A}}\n@misc{k, title={B}}", 'a.bib:2: the key "k" stands at line 1 already; remove one, or give it another key'),
        ("@misc{k, title={A}}\n@misc{K, title={B}}", 'a.bib:2: the key "K" stands at line 1 already'),
        ("@misc{k, title={A}}\n@misc{k, title={B}, title={C}}", 'a.bib:2: "title" stands twice'),
        ("@string{a = {b}}\n@string{A = {c}}\n@misc{k}", 'a.bib:2: a second @string "A" that says something else; keep one'),
        ("@string{a = b}\n@misc{k}", 'a.bib:1: @string "a" needs "b", which no @string before it defines'),
        ("@string{a0 = {" + "x" * 99 + "}}" + "".join(f"@string{{a{i + 1} = a{i} # a{i}}}" for i in range(60)) + "@misc{k}", 'a.bib:1: @string "a6" has 6,336 characters'),
        ("@string{a = {" + "x" * 4999 + "}}@misc{k, title = " + "a # " * 1100 + "1}", 'a.bib:1: can\'t read the value of "title"'),
        ("@string{a = {" + "x" * 4999 + "}}" + "".join(f"@misc{{k{i}, note = a # a # a # a}}" for i in range(300)), "a.bib:1: with its abbreviations"),
        ("@misc{k, title = {A\n@misc{b} c}}", "a.bib:1: can't read the entry"),
        ("x" * 5_000_001, "a.bib: found 5,000,001 characters, expected at most 5,000,000; split the file"),
        ("".join(f"@misc{{k{i}}}\n" for i in range(5001)), "a.bib: found 5,001 entries, expected at most 5,000; split the file"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_with_the_place(text, message):
    with pytest.raises(Refusal) as refused:
        read_bibtex(text, "a.bib")
    assert str(refused.value).startswith(message)


def test_nothing_is_logged_to_the_terminal(root):
    code = "from tools.adding.bibtex_file import read_bibtex\ntry: read_bibtex('@misc{k, a = {A}', 'a.bib')\nexcept Exception as e: print(e)"
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("a.bib:1: can't read the entry")
    assert run.stderr == ""


PIECES = ["@misc{k,", "@article(", "title", "author", " = ", "{", "}", '"', ",", "#", "\\", "\n", "@string{a = ", "@comment{", "$", "%", "10.1234/a",
          "doi", "arXiv:2103.07976", "He, Ju", " and ", "crossref", "2021", "(", ")", "\\'e", "--", "k", "\x00"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=40).map("".join))
def test_any_text_is_read_or_refused(text):
    try:
        told = read_bibtex(text, "a.bib")[0].where
    except Refusal as refused:
        told = str(refused)
    assert told.startswith("a.bib:")


@given(st.text(st.sampled_from(list("\\{}$%&#_^~-'\", .aé1@:/<>")), max_size=30))
def test_whatever_a_field_holds_what_comes_out_can_stand_in_the_catalog(value):
    try:
        record = read(
            ", ".join(f"{name} = {{{value}}}" for name in ("title", "author", "booktitle", "pages", "doi", "url", "year"))
        )
    except Refusal:
        return
    for text in filter(None, (record.title, record.container, record.pages, *record.authors)):
        assert re.fullmatch(TEXT_PATTERN, text)
        assert text == characters(text)
