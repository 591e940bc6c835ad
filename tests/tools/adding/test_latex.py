"""LaTeX to plain text: what a title or a name says, in characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.adding.latex import plain
from tools.bibtex import escape
from tools.canonical import characters
from tools.rules.form import LATEX

PRINTABLE = st.characters(exclude_categories=("Cc", "Cs", "Cn", "Co", "Zl", "Zp"))
LIGATURES = ("--", "``", "''", "?`", "!`")
"""Pairs that TeX writes as one character. `escape` leaves them alone, so that they come back as dashes and quotes."""


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"{\'E}cole Polytechnique", "École Polytechnique"),
        (r"M{\"u}ller, M\"uller, M{\"{u}}ller, M\"{u}ller", "Müller, Müller, Müller, Müller"),
        (r"Garc{\'\i}a Garc\'{\i}a Garc{\'{i}}a", "García García García"),
        (r"Erd{\H o}s, Erd\H{o}s", "Erdős, Erdős"),
        (r"\L{}ukasz S{\o}ren \AA ngstr\"om Stra\ss e", "Łukasz Søren Ångström Straße"),
        (r"\v{Z}i\v{z}ek \c{c} \k{a} \u{g} \.{I} \d{a} \r{u}", "Žižek ç ą ğ İ ạ ů"),
        (r"Nguy\~{\^e}n \'{\^e}", "Nguyễn ế"),
        (r"{{TransFG}: A {Transformer}}", "TransFG: A Transformer"),
        (r"Yi{-}Zhe Song", "Yi-Zhe Song"),
        (r"a -- b --- c, ``quoted'' and `single'", "a – b — c, “quoted” and `single'"),
        (r"Larry~S. Davis", "Larry S. Davis"),
        (r"Computer Vision \& Birds, 100\% of \#1 \_ \$5 \{\}", "Computer Vision & Birds, 100% of #1 _ $5 {}"),
        (r"100% of R&D #1", "100% of R&D #1"),  # no comment in a .bib file
        ("R&amp;D and &lt;p&gt;", "R&D and <p>"),
        (r"R\&amp;D", "R&amp;D"),  # what was escaped is meant
        (r"\textasciitilde{}\textasciicircum{}\textbackslash{}\textbraceleft{}\textbraceright{}", "~^\\{}"),
        (r"x \textless{} y \textgreater{} z", "x < y > z"),
        (r"\emph{Where} \textbf{do} {\it birds} \textsc{Nest}", "Where do birds Nest"),
        (r"e\-mail co\"operate\/s", "email coöperates"),
        (r"one\\two\ three\,four", "one two three four"),
        (r"\LaTeX{} and \TeX", "LaTeX and TeX"),
        (r"\ldots{} \dots", "… …"),
        ("two\n   lines", "two lines"),
        ("", ""),
        # maths
        (r"$k$-means", "k-means"),
        (r"\(k\)-means", "k-means"),
        (r"$\mathcal{X}$ and $\mathbf{x}$", "X and x"),
        (r"S$^3$N, $S^{3}N$, $\mathrm{S}^3$N, S\textsuperscript{3}N", "S³N, S³N, S³N, S³N"),
        (r"$\ell_1$ and H$_2$O", "ℓ₁ and H₂O"),
        (r"$\alpha$-$\beta$, $2 \times 2$, $2\times 2$", "α-β, 2 ×2, 2×2"),
        (r"costs \$5, US$5 and $6", "costs $5, US$5 and $6"),
        ("$5 alone", "$5 alone"),
        ("a$$b", "a$$b"),
    ],
)
def test_latex_is_read_as_it_is_printed(latex, text):
    assert plain(latex).text == text
    assert plain(latex).unknown == ()


@pytest.mark.parametrize(
    ("latex", "text", "unknown"),
    [
        (r"\foo{bar} baz", "bar baz", (r"\foo",)),
        (r"$x^{a+b}$", "x^a+b", ("^a+b",)),
        (r"$x_{ab}$", "x_ab", ("_ab",)),
        (r"a \cite{b} \footnote{c}", "a b c", (r"\cite", r"\footnote")),
        (r"\input{secret} \newcommand{\x}{y}", "secret y", (r"\input", r"\newcommand", r"\x")),
        (r"\begin{foo}bar\end{foo}", "bar", (r"\begin{foo}bar\end{foo}",)),
        ("a\x00b\x07c", "a b c", ("U+0000", "U+0007")),
        ("a\ue000", "a", ("U+E000",)),
        ("{" * 60 + "a" + "}" * 60, "a", ("60 braces within each other",)),
        ("\\'", "", ("\\'",)),
    ],
)
def test_what_has_no_plain_form_is_named(latex, text, unknown):
    assert plain(latex).text == text
    assert plain(latex).unknown == unknown


@pytest.mark.parametrize("opening", [r"\(", r"\[", r"\begin{a}", r"\'", r"\emph", r"\sqrt[", "$x{", r"\{", "("])
def test_nesting_of_any_kind_is_read_to_its_end(opening):
    assert "\\" not in plain(opening * (4000 // len(opening))).text
    assert "\\" not in plain("{" + opening * 60 + "}").text  # pylatexenc's own table takes minutes for \sqrt[\sqrt[


@given(st.text(PRINTABLE))
def test_what_our_writer_escapes_is_read_as_it_was(text):
    expected = " ".join(characters(text).split())
    if not any(pair in text for pair in LIGATURES):
        assert plain(escape(text)).text == expected
        assert plain(escape(text)).unknown == ()


@given(st.text(st.sampled_from(list("\\{}$%&#_^~-`'\"!? abi1\n\t\x00")) | PRINTABLE, max_size=60))
def test_any_text_is_read_to_its_end_and_is_printable(latex):
    text = plain(latex).text
    assert text == " ".join(characters(text).split())
    assert "\x00" not in text


@pytest.mark.parametrize("latex", [r"{\'E}cole -- $k$-means", r"``A'' \& {B}", r"\emph{a}---b", "$x$"])
def test_no_latex_is_left_that_the_catalogs_rule_would_find(latex):
    assert not LATEX.search(plain(latex).text)


def test_a_characters_number_of_thousands_of_digits_is_no_character_and_no_fault():
    assert plain(f"Birds &#{'9' * 4800}; and &#107;estrels").text == "Birds � and kestrels"
