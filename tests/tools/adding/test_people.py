"""Names in the order of print, and lists of authors that are the same people's, or not."""

from __future__ import annotations

from itertools import combinations

import pytest

from tools.adding.people import given_first, same_people, same_person, split_authors
from tools.adding.record import Refusal
from tools.catalog import load
from tools.rules.form import NOT_ONE_PERSON


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("He, Ju", "Ju He"),
        ("He,Ju", "Ju He"),
        ("Ju He", "Ju He"),
        ("van Bree, Ron", "Ron van Bree"),
        ("Ron van Bree", "Ron van Bree"),
        ("de la Torre, Jr., Ana", "Ana de la Torre Jr."),
        ("King, Jr., Martin", "Martin King Jr."),
        ("King, Martin, Jr.", "Martin King Jr."),
        ("King, Jr.", "King Jr."),
        ("King, III, Martin L.", "Martin L. King III"),
        ("{OpenAI Team}", "OpenAI Team"),
        ("{Barnes and Noble, Inc.}", "Barnes and Noble, Inc."),
        ("{Delgado de Molina}, A.", "A. Delgado de Molina"),
        ("Paulo Vitor {de Campos Souza}", "Paulo Vitor de Campos Souza"),
        ("Y. {Ding}", "Y. Ding"),
        ("Wei Zhang 0001", "Wei Zhang"),
        ("王, 秀", "秀 王"),
        ("Plato", "Plato"),
    ],
)
def test_a_name_is_printed_given_name_first(written, printed):
    assert given_first(written) == printed


@pytest.mark.parametrize(
    "name",
    [
        "A, B, C, D",
        "Jie Zhou, Jiwen Lu, Yongming Rao",
        "Zhou, Jie; Lu, Jiwen",
        "ju@he.org",
        "Enze Xie1",
        "Michaundefined K",
        ",",
        "a" * 1001,
    ],
)
def test_what_is_not_one_person_is_refused(name):
    with pytest.raises(Refusal, match="expected one person"):
        given_first(name)


@pytest.mark.parametrize(
    ("field", "names", "complete"),
    [
        ("He, Ju and Chen, Jie-Neng", ["He, Ju", "Chen, Jie-Neng"], True),
        ("Ju He\n and  Alan\n Yuille", ["Ju He", "Alan Yuille"], True),
        ("A AND B", ["A", "B"], True),
        ("{Simon and Schuster} and B", ["{Simon and Schuster}", "B"], True),
        ("Band, Andy and Sand, Ora", ["Band, Andy", "Sand, Ora"], True),
        ("A and others", ["A"], False),
        ("A and B et al.", ["A", "B"], False),
        ("A, et al.", ["A"], False),
        ("others", [], False),
        ("A and and B", ["A", "B"], False),
        ("A and", ["A"], False),
    ],
)
def test_authors_are_split_where_no_brace_protects_the_and(field, names, complete):
    assert split_authors(field) == (names, complete)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ju He", "J. He"),
        ("Ju He", "He Ju"),
        ("Ju He", "Ju HE"),
        ("Ju He", "JU HE"),
        ("Xiu Wang", "Wang Xiu"),
        ("王秀", "王 秀"),
        ("Jie-Neng Chen", "Jieneng Chen"),
        ("Jie-Neng Chen", "Jie Neng Chen"),
        ("Jie-Neng Chen", "J.-N. Chen"),
        ("Jie-Neng Chen", "JN Chen"),
        ("Jie-Neng Chen", "Jie Chen"),
        ("Jie-Neng Chen", "Chen JN"),
        ("Jie Neng Chen", "Jieneng Chen"),
        ("Xiu-Shen Wei", "Wei Xiushen"),
        ("Jürgen Müller", "Jurgen Muller"),
        ("Jürgen Müller", "Juergen Mueller"),
        ("Søren Løvås", "Soren Lovas"),
        ("Łukasz Kaiser", "Lukasz Kaiser"),
        ("François Chollet", "Franc\u0327ois Chollet"),
        ("Declan O’Sullivan", "D. O'Sullivan"),
        ("Larry S. Davis", "Larry Davis"),
        ("Matthew R. Scott", "M. Scott"),
        ("Ron van Bree", "R. Van Bree"),
        ("Oisin Mac Aodha", "Oisin MacAodha"),
        ("Martin King Jr.", "Martin King"),
        ("Weinan E", "E Weinan"),
        ("Zhuhui Wang", "Zhihui Wang"),
        ("Adam Kortylewski", "Adam Kortylevski"),
        ("He", "Ju He"),
    ],
)
def test_two_spellings_are_one_person(one, other):
    assert same_person(one, other)
    assert same_person(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ju He", "Jun Zhang"),
        ("Ju He", "Kaiming He"),
        ("J. He", "K. He"),
        ("Wei Zhang", "Wei Zheng"),
        ("Wei Zhang", "Jun Zhang"),
        ("Yue Chen", "Yun Chen"),
        ("Wei Liu", "Liu Yang"),
        ("Yang Wei", "Wei Liu"),
        ("Jie Zhou", "Jie Zhu"),
        ("J. Chen", "C. Jie"),
        ("Yu Qiao", "Yu Gao"),
        ("J. N. Chen", "Jie Min Chen"),
    ],
)
def test_two_people_are_two(one, other):
    assert not same_person(one, other)
    assert not same_person(other, one)


TRANSFG = ["Ju He", "Jie-Neng Chen", "Shuai Liu", "Adam Kortylewski", "Cheng Yang", "Yutong Bai", "Changhu Wang", "Alan Yuille"]
CIN = ["Yu Gao", "Xintong Han", "Xun Wang", "Weilin Huang", "Matthew R. Scott"]


@pytest.mark.parametrize(
    ("one", "other", "complete", "same"),
    [
        (TRANSFG, ["J. He", "J.-N. Chen", "S. Liu", "A. Kortylewski", "C. Yang", "Y. Bai", "C. Wang", "A. Yuille"], True, True),
        (TRANSFG, TRANSFG[:-1], True, True),  # one was added in print
        (TRANSFG, sorted(TRANSFG), True, True),  # a registry that sorts
        (TRANSFG, TRANSFG[:3], False, True),
        (TRANSFG, TRANSFG[:3], True, False),  # three of eight aren't all
        (TRANSFG, ["Ju He"], False, True),
        (TRANSFG, TRANSFG[1:4], False, False),  # another first author
        (TRANSFG, CIN, True, False),
        (CIN, ["Yu Gao", "Wei Chen", "Li Ma", "Jun Xu", "Tao Li"], True, False),
        (["Jianlong Fu", "Heliang Zheng", "Tao Mei"], ["Heliang Zheng", "Jianlong Fu", "Tao Mei", "Jiebo Luo"], True, False),
        (["Wei Zhang", "Wei Zhang"], ["Wei Zhang", "Li Na"], True, False),  # a name counts once
        ([f"A{chr(97 + i % 26)} B{chr(97 + i // 26)}" for i in range(600)], ["Aa Ba"] + ["Li Na"] * 700, True, False),
        ([], TRANSFG, True, False),
        ([], [], True, False),
    ],
)
def test_lists_of_authors(one, other, complete, same):
    assert same_people(one, other, complete=complete) == same
    assert same_people(other, one, complete=complete) == same


def test_of_all_pairs_of_the_catalogs_papers_only_two_are_the_same_peoples():
    catalog, _ = load()
    entries = {**catalog.papers, **catalog.surveys}
    found = [pair for pair in combinations(entries, 2) if same_people(*(entries[i].authors for i in pair))]
    assert found == [("inps", "mge-cnn"), ("ma-cnn", "tasn")]  # one group's papers, of which one has a further author


def test_no_list_is_taken_for_another_when_its_names_are_cut_to_initials_or_turned():
    catalog, _ = load()
    for paper in catalog.papers.values():
        initials = [f"{name[0]}. {name.split()[-1]}" for name in paper.authors]
        turned = [" ".join((name.split()[-1], *name.split()[:-1])) for name in paper.authors]
        same = {other.title for other in catalog.papers.values() for cut in (initials, turned) if same_people(other.authors, cut)}
        assert paper.title in same
        assert len(same) <= 2


def test_every_author_of_the_catalog_is_one_person_as_it_stands():
    catalog, _ = load()
    for name in {name for paper in catalog.papers.values() for name in paper.authors}:
        assert given_first(name) == name
        assert not NOT_ONE_PERSON.search(name)
