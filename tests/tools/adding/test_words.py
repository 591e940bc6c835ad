"""LaTeX, markup and placeholders, taken off; what is no venue."""

from __future__ import annotations

import pytest

from tools.adding.tex import decoded
from tools.adding.words import is_venue, line, pages, plain, year


@pytest.mark.parametrize(
    ("text", "plain_text"),
    [
        (r"\'e \"{u} {\"o} M\"uller {\L}ukasz \v{C}ech \c c \~n \^{o}", "é ü ö Müller Łukasz Čech ç ñ ô"),
        (r"\'{\i} and \'\i", "í and í"),
        (r"L\'opez, \O degaard, Stra\ss e", "López, Ødegaard, Straße"),
        (r"$k$-NN with $\alpha$ and $\mathcal{O}(n^2)$", "k-NN with α and O(n²)"),
        (r"\emph{very} \textbf{bold}", "very bold"),
        (r"100\% R\&D \#1 a\_b \$5", "100% R&D #1 a_b $5"),
        (r"a \ours and \foo", r"a \ours and \foo"),
        ("50% of R&D ~ 3_4 ^ #1 {x}", "50% of R&D ~ 3_4 ^ #1 {x}"),
        ("costs $5 and $10", "costs $5 and $10"),
        ("a $ alone", "a $ alone"),
        ("鳥 על ציפורים", "鳥 על ציפורים"),
        ("", ""),
    ],
)
def test_only_what_is_plainly_latex_is_decoded(text, plain_text):
    assert decoded(text) == plain_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\n  b\u00a0c", "a b c"),
        ("e\u0301", "é"),
        ("ﬁnch", "finch"),
        (" ", None),
        ("", None),
        (None, None),
        (3, None),
        (["a"], None),
    ],
)
def test_a_line_is_composed_text_without_odd_blanks(value, text):
    assert line(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [("a < b > c", "a < b > c"), ("x<y>z</y>", "xz"), ("<b>", None), ("&#233;", "é"), (None, None)]
)
def test_markup_is_taken_off_and_signs_stay(value, text):
    assert plain(value) == text


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("852–860", "852-860"),
        ("852--860", "852-860"),
        (" 852 - 860 ", "852-860"),
        ("852", "852"),
        ("5-5", "5"),
        ("e12-e19", "e12-e19"),
        ("0-0", None),
        ("0", None),
        ("–", None),
        ("", None),
        (None, None),
        (852, None),
    ],
)
def test_pages_come_in_the_catalogs_form(value, found):
    assert pages(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (2021, 2021),
        ("2021/06/28", 2021),
        ("in 2021", 2021),
        (21, None),
        ("12021", None),
        (True, None),
        (2021.0, None),
        (None, None),
        ("", None),
    ],
)
def test_a_year_is_one_that_a_paper_can_be_of(value, found):
    assert year(value) == found


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("Computer Vision – ECCV 2020", True),
        ("Neurocomputing", True),
        ("Lecture Notes in Computer Science", False),
        ("Lecture notes in computer science", False),
        ("Proceedings of Machine Learning Research", False),
        ("Communications in Computer and Information Science", False),
        ("arXiv.org", False),
        ("ArXiv", False),
        ("CoRR", False),
        ("arXiv (Cornell University)", False),
        ("arXiv preprint arXiv:2103.07976", False),
        ("bioRxiv", False),
        ("Proceedings of the AAAI Conference on Artificial Intelligence", True),
        (None, False),
    ],
)
def test_series_and_preprint_servers_are_no_venues(name, is_one):
    assert is_venue(name) == is_one


def test_a_characters_number_of_thousands_of_digits_is_no_character_and_no_fault():
    assert plain(f"Birds &#{'9' * 5000}; and &#107;estrels") == "Birds � and kestrels"
