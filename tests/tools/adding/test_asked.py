"""What somebody may type to name a paper."""

from __future__ import annotations

import pytest

from tools.adding.asked import is_bibtex, names_file, understand
from tools.adding.record import Refusal


@pytest.mark.parametrize(
    ("text", "arxiv", "version"),
    [
        ("2103.07976", "2103.07976", None),
        ("arXiv:2103.07976v3", "2103.07976", 3),
        ("https://arxiv.org/abs/2103.07976v2", "2103.07976", 2),
        ("https://arxiv.org/pdf/2103.07976v2.pdf", "2103.07976", 2),
        ("https://arxiv.org/html/2103.07976", "2103.07976", None),
        ("arxiv.org/abs/cs/9901001", "cs/9901001", None),
        ("10.48550/arXiv.2103.07976", "2103.07976", None),
        ("https://doi.org/10.48550/arXiv.2103.07976v1", "2103.07976", 1),
        ("cs.CV/0501001", "cs.CV/0501001", None),
        ("cs.CV/0501001v2", "cs.CV/0501001", 2),
        ("https://arxiv.org/abs/cs.CV/0501001", "cs.CV/0501001", None),
        ("arXiv.org/abs/2103.07976v3", "2103.07976", 3),
        ("https://arxiv.org/abs/2103.07976v3?context=cs", "2103.07976", 3),
        ("HTTPS://ARXIV.ORG/abs/2103.07976", "2103.07976", None),
        ("https://ar5iv.labs.arxiv.org/html/2103.07976", "2103.07976", None),
        ("https://arxiv.org/ftp/arxiv/papers/2103/2103.07976.pdf", "2103.07976", None),
        ("arXiv 2103.07976", "2103.07976", None),
        ("2103.07976.", "2103.07976", None),
        ("(2103.07976)", "2103.07976", None),
        ("(2103.07976", "2103.07976", None),
        ("[arXiv:2103.07976v3].", "2103.07976", 3),
        ("“2103.07976”,", "2103.07976", None),
        ("'2103.07976'", "2103.07976", None),
        ("<https://arxiv.org/abs/2103.07976>", "2103.07976", None),
        ("https://arxiv.org/abs/2103.07976).", "2103.07976", None),
    ],
)
def test_an_arxiv_id_is_found_in_all_its_forms_and_its_version_apart(text, arxiv, version):
    asked = understand(text, lambda url: None)
    assert (asked.arxiv, asked.version, asked.doi) == (arxiv, version, None)


@pytest.mark.parametrize(
    ("text", "doi"),
    [
        ("10.1609/aaai.v36i1.19967", "10.1609/aaai.v36i1.19967"),
        ("doi:10.1016/S0031-3203(00)00001-2", "10.1016/S0031-3203(00)00001-2"),
        ("https://dx.doi.org/10.1007/978-3-030-01264-9_26", "10.1007/978-3-030-01264-9_26"),
        ("doi.org/10.1002/(SICI)1097%3C1::AID%3E3.0.CO;2-Q", "10.1002/(SICI)1097<1::AID>3.0.CO;2-Q"),
        ("https://link.springer.com/chapter/10.1007/978-3-030-01264-9_26", "10.1007/978-3-030-01264-9_26"),
        ("https://link.springer.com/content/pdf/10.1007/978-3-030-01264-9_26.pdf", "10.1007/978-3-030-01264-9_26"),
        ("https://dl.acm.org/doi/abs/10.1145/3474085.3475561?x=1", "10.1145/3474085.3475561"),
        ("DOI 10.1609/aaai.v36i1.19967", "10.1609/aaai.v36i1.19967"),
        ("DOI: https://doi.org/10.1609/aaai.v36i1.19967", "10.1609/aaai.v36i1.19967"),
        ("10.1109/CVPR.2019.00530.", "10.1109/CVPR.2019.00530"),
        ("(doi:10.1016/S0031-3203(00)00001-2).", "10.1016/S0031-3203(00)00001-2"),
        ("10.1016/S0031-3203(00)", "10.1016/S0031-3203(00)"),
        ("10.1002/(SICI)1097)", "10.1002/(SICI)1097"),
    ],
)
def test_a_doi_is_found_in_all_its_forms(text, doi):
    asked = understand(text, lambda url: None)
    assert (asked.doi, asked.arxiv) == (doi, None)


def test_a_publishers_page_goes_before_an_id_in_its_address():
    asked = understand("ojs.aaai.org/article/10.1/x", lambda url: "AAAI")
    assert (asked.page, asked.doi) == ("https://ojs.aaai.org/article/10.1/x", None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("TransFG", '"TransFG" is nothing that can be looked up; expected an arXiv id (2103.07976)'),
        ("", '"" is nothing that can be looked up'),
        ("https://ieeexplore.ieee.org/document/8237767", "no way to read ieeexplore.ieee.org; give the paper's arXiv id or DOI"),
        ("https://arxiv.org/list/cs.CV/recent", "no way to read arxiv.org"),
        ("10.48550/arXiv.birds", "arXiv's DOIs, but no arXiv id in it"),
        ("file:///etc/passwd", "nothing that can be looked up"),
        ("http://[::1", "no way to read http://[::1; give"),
        ("https://a]b/c", "no way to read https://a]b/c; give"),
        ("https://example\u2100.org/x", "no way to read https://example\u2100.org/x; give"),
        ("https://", "no way to read https://; give"),
        ("https://notarxiv.org/abs/2103.07976", "no way to read notarxiv.org"),
        ("https://example.org/x.bib", "https://example.org/x.bib is a BibTeX file that has to be saved first"),
        ("https://example.org/10.1234/x.bib?download=1", "has to be saved first"),
        ("(" * 100_000, "nothing that can be looked up"),
        ("https://example.org/" + "x" * 100_000, "no way to read example.org"),
    ],
)
def test_what_cannot_be_looked_up_is_refused_with_what_could_be(text, says):
    with pytest.raises(Refusal) as refused:
        understand(text, lambda url: None)
    assert says in str(refused.value)


def test_what_was_asked_for_is_told_as_it_was_typed():
    assert understand(" (arXiv:2103.07976). ", lambda url: None).text == "(arXiv:2103.07976)."


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("paper.bib", True),
        ("My.Papers/PAPER.BIBTEX", True),
        ("there.txt", True),
        ("absent.txt", False),
        ("2103.07976", False),
        ("https://example.org/x.bib", False),
        ("<https://example.org/x.bib>", False),
        ("file:///x.bib", False),
        ("x" * 300, False),
    ],
)
def test_a_file_is_told_from_an_address(tmp_path, monkeypatch, text, is_one):
    (tmp_path / "there.txt").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert names_file(text) == is_one


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("@article{k, title={A}}", True), ("\n @Comment (x)", True), ("@someone", False), ("me@example.org{", False), ("2103.07976", False)],
)
def test_bibtex_is_known_by_its_beginning(text, is_one):
    assert is_bibtex(text) == is_one
