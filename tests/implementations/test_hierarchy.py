"""Coarse labels of a folder dataset: classes.yaml, and what is said where it is wrong."""

from __future__ import annotations

import unicodedata

import pytest
import torch
from PIL import Image

from implementations.common import data, hierarchy
from implementations.common.errors import Fault
from implementations.common.method import Classes

BIRDS = ("blue tit", "great tit", "house finch", "purple finch", "rook")
GOOD = """\
order:
  songbirds: [blue tit, great tit, house finch, purple finch]
  corvids: [rook]
family:
  tits: [blue tit, great tit]
  finches: [house finch, purple finch]
  crows:
    - rook
"""


@pytest.fixture
def told(tmp_path):
    """What is said of a file's text, without its place before each line."""

    def problems(text: str | bytes, names: tuple[str, ...] = BIRDS) -> list[str]:
        path = tmp_path / "classes.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(Fault) as raised:
            hierarchy.read(path, names)
        return [line.removeprefix(f"{path}:") for line in str(raised.value).splitlines()]

    return problems


def test_each_class_has_the_number_of_its_coarse_class_by_level(tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_text(GOOD)
    assert hierarchy.read(path, BIRDS) == {"order": (0, 0, 0, 0, 1), "family": (0, 0, 1, 1, 2)}


def test_the_example_is_one(tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_text(hierarchy.EXAMPLE)
    assert hierarchy.read(path, BIRDS[:4]) == {"family": (1, 1, 0, 0)}
    assert len(hierarchy.EXAMPLE.splitlines()) == 3


def test_classes_whose_names_yaml_would_take_for_numbers_are_words(tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_text("1: {no: [001, 1_0], 2: [yes, 1e3]}")
    assert hierarchy.read(path, ("001", "1_0", "1e3", "yes")) == {"1": (0, 0, 1, 1)}


def test_all_that_is_wrong_is_said_at_once_each_by_its_line(told):
    text = """\
family:
  tits: [blue tti, great tit, rook]
  finches: [house finch, purple finch]
  crows: [rook]
colour:
  dull: [great tit, house finch, purple finch, rook]
  bright: blue tit
"""
    assert told(text) == [
        "2: 'blue tti' of 'tits' is no class of train/; did you mean 'blue tit'?",
        "4: 'rook' is in 'family' already, as one of 'tits' on line 2; each class has one coarse class a level",
        "7: 'bright' of 'colour': expected a list of its classes, such as [blue tit, great tit]",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: expected levels from coarse to fine, each with coarse classes, each of these with a list of classes"),
        ("- family", "1: expected levels from coarse to fine"),
        ("family: [tits, finches]", "1: expected levels from coarse to fine"),
        ("family:", "1: expected levels from coarse to fine"),
        (GOOD + "wings: [short, long]", "9: 'wings': expected coarse classes, each with a list of its classes"),
        (GOOD + "wings:", "9: 'wings': expected coarse classes, each with a list of its classes"),
        (GOOD + "wings: {}", "9: 'wings': expected coarse classes, each with a list of its classes"),
        ("family:\n  tits: []", "2: 'tits' of 'family': expected a list of its classes"),
        ("family:\n  tits: [[blue tit]]", "2: expected a class of 'tits', in one line of printable characters"),
        ('family:\n  tits: ["blue\\ttit"]', "2: expected a class of 'tits', in one line of printable characters"),
        ("? [family]\n: {tits: [rook]}", "1: expected the name of a level, in one line of printable characters"),
        ("family:\n  tits: [a", "2: not valid YAML (expected ',' or ']'"),
        ("family:\n\ttits: [a]", "2: not valid YAML (found character '\\t' that cannot start any token)"),
        ("family: *tits", "1: not valid YAML (found undefined alias 'tits')"),
        ("family: \0", " not valid YAML (special characters are not allowed)"),
        (GOOD + "---\n" + GOOD, "9: a second document starts here; expected one"),
        pytest.param("[" * 3000, " nested too deeply; expected level → coarse class → list of classes", id="deep"),
        (f"all:\n  birds: [{', '.join(BIRDS)}]", "1: 'all' has one coarse class; expected at least 2"),
        (GOOD + "family: {a: [rook]}", "9: the level 'family' is there already, on line 4"),
        (GOOD + "  crows: [rook]", "9: the class of 'family' 'crows' is there already, on line 7"),
        (GOOD.replace("rook", "owl"), "3: 'owl' of 'corvids' is no class of train/; its folders are blue tit, great tit, house finch, purple finch, rook"),
    ],
)
def test_what_has_another_form_is_told_with_its_line_and_what_was_expected(told, text, expected):
    assert any(line.startswith(expected) for line in told(text))


@pytest.mark.parametrize("text", ["names: [a, b]\nnc: 2\n", "path: birds\nnames: {0: a, 1: b}\n", "- family", "family: [", "family: \0", pytest.param("[" * 3000, id="deep")])
def test_another_tools_file_is_told_once_with_what_this_one_is_for_and_an_example(told, text):
    said = told(text)
    assert len(said) == 2 + len(hierarchy.EXAMPLE.splitlines())
    assert said[1] == "classes.yaml is for coarser labels of the classes in train/; without it training goes on without levels. Expected something such as"
    assert "\n".join(said[2:]) == hierarchy.EXAMPLE


def test_of_several_levels_of_another_form_each_is_told_and_the_example_once(told):
    said = told(GOOD + "wings: [short]\nsong: [loud]\n")
    assert [line.partition(" expected")[0] for line in said[:2]] == ["9: 'wings':", "10: 'song':"]
    assert len(said) == 3 + len(hierarchy.EXAMPLE.splitlines())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("tits: [blue tit, ", "tits: [blue tti, "), "5: 'blue tti' of 'tits' is no class of train/; did you mean 'blue tit'?"),
        (GOOD.replace("tits: [blue", "tits: [great tit, blue"), "5: 'great tit' is listed twice in 'tits', first on line 5"),
        (GOOD.replace("crows:", "tits:"), "7: the class of 'family' 'tits' is there already, on line 5; put what both have into one"),
        (GOOD.replace("corvids: [rook]", "corvids: [rook, blue tit]"), "3: 'blue tit' is in 'order' already, as one of 'songbirds' on line 2; each class has one coarse class a level"),
        (GOOD[GOOD.index("family") :] + GOOD[: GOOD.index("family")], "6: 'order' is coarser than 'family', which stands before it; expected levels from coarse to fine"),
    ],
)
def test_one_mistake_is_one_message(told, text, expected):
    assert told(text) == [expected]


def test_numbers_are_written_as_the_folders_are(told):
    hint = "Names are written as the folders are, with their zeros"
    assert told("half: {low: [0], high: [1]}", ("000", "001")) == [
        f"1: '0' of 'low' is no class of train/; did you mean '000'? {hint}",
        f"1: '1' of 'high' is no class of train/; did you mean '001'? {hint}",
    ]


def test_more_folders_than_five_are_not_all_named(told):
    names = tuple(f"bird {number}" for number in range(6))
    assert told("family: {a: [owl]}", names) == ["1: 'owl' of 'a' is no class of train/; its folders are bird 0, bird 1, bird 2, bird 3, bird 4, …"]


@pytest.mark.parametrize("folders", ["NFC", "NFD"])
@pytest.mark.parametrize("file", ["NFC", "NFD"])
def test_a_name_is_the_same_in_either_form_of_unicode(tmp_path, folders, file):
    path = tmp_path / "classes.yaml"
    path.write_text(unicodedata.normalize(file, "farbe:\n  grün: [grünfink]\n  grau: [graureiher]\n"), encoding="utf-8")
    assert hierarchy.read(path, ("graureiher", unicodedata.normalize(folders, "grünfink"))) == {"farbe": (1, 0)}


def test_a_byte_order_mark_is_no_part_of_the_first_level(tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_text(GOOD, encoding="utf-8-sig")
    assert list(hierarchy.read(path, BIRDS)) == ["order", "family"]


def test_branches_that_cross_are_told(told):
    crossed = GOOD.replace("songbirds: [blue tit,", "songbirds: [").replace("[rook]", "[rook, blue tit]", 1)
    assert told(crossed) == [
        "5: 'tits' of 'family' lies in several of 'order': levels go from coarse to fine, and a class lies in one of the level before"
    ]


def test_each_level_is_held_against_the_one_before_it(told):
    wings = "wings:\n  short: [rook]\n  long: [blue tit, house finch]\n  broad: [purple finch, great tit]\n"
    rule = "levels go from coarse to fine, and a class lies in one of the level before"
    assert told(GOOD + wings) == [f"{line}: {name!r} of 'wings' lies in several of 'family': {rule}" for line, name in ((11, "long"), (12, "broad"))]


def test_many_missing_classes_are_counted(told):
    names = tuple(f"bird {number}" for number in range(12))
    assert told("family: {a: [bird 0], b: [bird 1]}", names) == [
        "1: 'family' has no coarse class for 'bird 2', 'bird 3', 'bird 4', 'bird 5', 'bird 6' and 5 more; expected one for each class"
    ]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_file_that_cant_be_read_is_named(tmp_path, content):
    path = tmp_path / "classes.yaml"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(Fault, match=r"classes.yaml: can't be read .* expected text in UTF-8\nclasses.yaml is for"):
        hierarchy.read(path, BIRDS)


# -------------------------------------------------------------------------------------------------- with images, and in code


@pytest.fixture
def birds(tmp_path):
    for split in ("train", "test"):
        for name in BIRDS:
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(2):
                Image.new("RGB", (8, 8)).save(tmp_path / split / name / f"{index}.png")
    return tmp_path


def test_a_folder_with_the_file_has_coarse_labels_and_one_without_it_none(birds):
    plain = data.folder(birds)
    assert plain.classes == Classes(BIRDS)
    (birds / "classes.yaml").write_text(GOOD)
    found = data.folder(birds)
    assert found.classes == Classes(BIRDS, {"order": (0, 0, 0, 0, 1), "family": (0, 0, 1, 1, 2)})
    assert torch.equal(found.test.read(0), plain.test.read(0))


def test_a_link_that_leads_nowhere_is_told(birds):
    (birds / "classes.yaml").symlink_to(birds / "gone.yaml")
    with pytest.raises(Fault, match=r"classes\.yaml: leads nowhere; mend or remove this link$"):
        data.folder(birds)


def test_other_coarse_labels_are_another_dataset(birds):
    seen = {data.folder(birds).fingerprint}
    for text in (GOOD, GOOD.replace("corvids: [rook]", "others: [rook]"), GOOD[: GOOD.index("family")]):
        (birds / "classes.yaml").write_text(text)
        seen.add(data.folder(birds).fingerprint)
    assert len(seen) == 3  # a coarse class's name tells nothing apart


def test_in_code_levels_have_a_coarse_class_of_every_class_and_go_from_coarse_to_fine():
    Classes(tuple("abc"), {"order": (0, 0, 1), "family": (0, 1, 2)})
    with pytest.raises(ValueError, match=r"^'family' has the coarse class of 2 classes, expected of all 3$"):
        Classes(tuple("abc"), {"family": (0, 1)})
    with pytest.raises(ValueError, match=r"^'family' has a coarse class -1: expected numbers from 0$"):
        Classes(tuple("abc"), {"family": (0, -1, 1)})
    with pytest.raises(ValueError, match=r"^'family' has one coarse class: expected at least 2, or there is nothing to tell apart$"):
        Classes(tuple("abc"), {"family": (0, 0, 0)})
    with pytest.raises(ValueError, match=r"^a class of 'order' lies in several of 'family': expected levels from coarse to fine"):
        Classes(tuple("abc"), {"family": (0, 1, 2), "order": (0, 0, 1)})
