"""Sentences that withdraw a paper, as authors and administrators word them on arXiv, and sentences that only sound like it."""

from __future__ import annotations

import pytest

from tools.adding.withdrawal import withdrawal

OF_A_COMMENT = [
    "This paper has been withdrawn by the author due to an error",
    "This submission has been withdrawn by arXiv administrators due to inappropriate overlap",
    "This article was withdrawn.",
    "Withdrawn due to errors in section 3",
    "Paper withdrawn",
    "12 pages. Paper withdrawn.",
    "12 pages. The paper is temporarily withdrawn, pending a new proof.",
    "The paper is retracted",
    "Retracted: Lemma 2 is wrong",
    "We have withdrawn this manuscript",
    "10 pages; withdrawn by the authors",
    "10 pages, 3 figures, withdrawn",
    "10 pages (withdrawn)",
    "withdrawn",
    "Withdrawn for revision",
    "Temporarily withdrawn because of an error",
    "withdrawn in favour of arXiv:2103.07976",
    "We are withdrawing this preprint because it contains initial experimental results only.",
    "We have decided to withdraw this manuscript because it needs substantial revision.",
    "We would like to withdraw this submission.",
    "The authors withdraw this paper",
    "Due to a mistake in Table 2, this work had to be withdrawn",
    "This paper (version 2) was withdrawn from arXiv",
    "arXiv admin note: This version has been removed by arXiv administrators as the submitter had no right to agree to the license",
    "arXiv admin note: This submissions has been withdrawn by arXiv administrators",
]
OF_AN_ABSTRACT = [
    "this paper has been withdrawn",
    "This paper has been withdrawn as we discovered a bug in our implementation, which mixed vectors across batches.",
    "[This paper has been withdrawn by the author due to updated research] As the modern paradigm …",
    "The following paper has been withdrawn from consideration for publication because there are mistakes.",
    "This paper is withdrawn since we found a flaw in the proof of Theorem 4.",
    "The paper has been withdrawn effective November 18, 2015.",
    "Paper is withdrawn due to further studies.",
    "Withdrawn. Work never submitted.",
    "This paper is hereby withdrawn.",
    "- Paper withdrawn by the author - Sensors for birds",
    "Birds are many. This paper is withdrawn by the authors.",
    "This paper, which was sent to a journal, has been withdrawn.",
]
NEITHER = [
    "We withdraw labels that annotators doubt.",
    "In this paper, samples are withdrawn from the batch. This work was supported by seeds.",
    "In this paper the label is withdrawn from the set.",
    "Withdrawal of nutrients is seen in this paper.",
    "Lakes are drained. Withdrawn water is measured.",
    "Withdrawn water is measured.",
    "Blood, withdrawn by a nurse, is measured.",
    "The drug was withdrawn due to side effects; this paper asks why.",
    "This paper asks why a drug was withdrawn.",
    "Withdrawn from ICCV 2019 and accepted by CVPR 2020",
    "This paper was withdrawn from ICLR 2021 and is now published at CVPR",
    "Accepted at CVPR 2021; withdrawn from ICLR 2021",
    "The submission to ICLR was withdrawn; accepted at CVPR 2021",
    "The previous version was withdrawn; this is a corrected one",
    "This paper has not been withdrawn.",
    "We cite a withdrawn paper.",
    "The authors of another article withdrew it.",
    "We study whether a paper has been withdrawn from a benchmark.",
    "When the submission has been withdrawn, reviewers update their beliefs.",
    "No conclusion of the paper is withdrawn.",
    "Papers are withdrawn from journals for many reasons, which we survey here.",
    "Many drugs have been withdrawn from the market worldwide.",
    "The arms are retracted by springs.",
    "We retract this paper's claim of Table 2 and correct it.",
    "We withdraw the document from the index and search again.",
    "arXiv admin note: substantial text overlap with arXiv:1234.5678",
    "12 pages, 3 figures",
    "",
    "…",
    "?!",
]


@pytest.mark.parametrize("comment", [*OF_A_COMMENT, *OF_AN_ABSTRACT])
def test_a_comment_that_withdraws(comment):
    assert withdrawal(comment, None)


@pytest.mark.parametrize("abstract", OF_AN_ABSTRACT)
def test_an_abstract_that_withdraws(abstract):
    assert withdrawal("12 pages", abstract)


@pytest.mark.parametrize("text", NEITHER)
def test_a_text_that_withdraws_no_paper(text):
    assert withdrawal(None, text) is None
    assert withdrawal(None, f"{text} Birds sing.") is None


@pytest.mark.parametrize("text", [text for text in NEITHER if not text.startswith("Blood")])
def test_a_comment_that_withdraws_no_paper(text):
    assert withdrawal(text, None) is None


def test_nothing_withdraws_nothing():
    assert withdrawal(None, None) is None


def test_the_sentence_alone_is_told():
    assert withdrawal("12 pages. Paper withdrawn. Sorry!", None) == "Paper withdrawn."
