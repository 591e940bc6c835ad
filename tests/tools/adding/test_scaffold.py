"""An implementation's first files: they run as plain fine-tuning, are clean whatever the paper is called, and fail until written."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import torch
import yaml

from implementations.baseline import Baseline
from implementations.common.method import Method
from implementations.common.recipes import resolve
from tests import forked
from tests.implementations.tiny import build, images, labels
from tests.tools.adding.places import linked
from tools.adding.record import Refusal
from tools.adding.scaffold import LONGEST_ID, class_name, scaffold
from tools.catalog import ROOT, load

CNN = {"title": "Kestrel: Hovering Attention", "name": "Kestrel-Net", "authors": ["Ada Falk"], "year": 2021, "venue": "icb", "approaches": ["attention"]}
VIT = CNN | {"approaches": ["attention", "transformer"], "ids": {"arxiv": "2103.00010", "doi": "10.1234/icb.2021.1"}}
FAMILIES = pytest.mark.parametrize(("entry", "family"), [(CNN, "cnn"), (VIT, "vit")], ids=["cnn", "vit"])


@pytest.fixture
def places(tree) -> Path:
    """The invented catalog, with the folders that the files go into."""
    for folder in ("implementations/ablations", "tests/implementations"):
        (tree / folder).mkdir(parents=True)
    return tree


@pytest.fixture
def repository(tmp_path) -> Path:
    """A repository like this one, to which an implementation can be added."""
    root = tmp_path / "repository"
    for name in ("implementations", "tests/implementations"):
        linked(root / name, ROOT / name)
    (root / "implementations/ablations").unlink()
    linked(root / "implementations/ablations", ROOT / "implementations/ablations")
    for name in ("catalog", "catalog.yaml", "tools"):
        (root / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def run(root: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=root, env=variables | environment, capture_output=True, text=True, check=False)


def pytest_of(root: Path, *arguments: str) -> dict[str, str]:
    """The outcome of each test, by its name."""
    _, said = forked.pytest(root, "-rA", *arguments)
    return {name: outcome for outcome, name in re.findall(r"^(PASSED|FAILED|ERROR) \S+?::(\S+)", said, re.MULTILINE)}


def catalogued(paper: str) -> dict:
    return yaml.safe_load((ROOT / f"catalog/papers/{paper}.yaml").read_text(encoding="utf-8"))


def method_in(file: Path, name: str) -> type[Method]:
    spec = importlib.util.spec_from_file_location(f"scaffolded_{file.stem}", file)
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return getattr(module, name)


# ------------------------------------------------------------------------------------------------------ what it does


def test_it_writes_the_method_and_its_test_and_the_catalog_is_as_valid_as_before(places):
    before = (places / "catalog/papers/kestrel.yaml").read_bytes()
    written = scaffold(places, "kestrel", CNN)
    assert [str(file.relative_to(places)) for file in written] == ["implementations/kestrel.py", "tests/implementations/test_kestrel.py", "implementations/ablations/kestrel.py"]
    catalog, problems = load(places)
    assert catalog is not None
    assert [problem.rule for problem in problems if problem.path == "catalog/papers/kestrel.yaml"] == ["implementation-unlisted"]
    assert (places / "catalog/papers/kestrel.yaml").read_bytes() == before


@FAMILIES
def test_it_is_the_baseline_until_it_is_written(places, entry, family):
    method = method_in(scaffold(places, "kestrel-net", entry)[0], "KestrelNet")
    assert (method.paper, method.claim, list(method.demo)) == ("kestrel-net", None, [family])
    ours, theirs = (resolve(kind.recipe, kind.demo[family]) for kind in (method, Baseline))
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    here, there = (build(kind, backbone=f"finch_{'resnet' if family == 'cnn' else 'vit'}") for kind in (method, Baseline))
    there.load_state_dict(here.state_dict())
    assert torch.equal(here.losses(images(), labels())["cross-entropy"], there.losses(images(), labels())["cross-entropy"])
    assert torch.equal(here.eval().evidence(images()), there.eval().evidence(images()))


def test_its_demo_trains(repository, tmp_path, drawn):
    scaffold(repository, "dcl", catalogued("dcl"))
    options = ["--set", "epochs=1", "--test-images", "1", "--validation-images", "1", "--threads", "1", "--records", str(tmp_path / "records")]
    code, said = forked.run(repository, "implementations.dcl", *options, variables={"FINCH_CACHE": str(drawn(tmp_path / "cache"))})
    assert code == 0, said
    assert re.search(r"^DCL 10/10 epoch 1 +cross-entropy \d", said, re.MULTILINE)
    assert len(list((tmp_path / "records/dcl").glob("*.json"))) == 1


OWN = [
    "test_without_a_key_operation_the_same_weights_answer_or_learn_otherwise[Plain]",
    "test_a_file_says_what_it_does_and_leaves_nothing_to_be_written[method]",
    "test_a_file_says_what_it_does_and_leaves_nothing_to_be_written[ablations]",
]
CHOSEN = "dcl and (without or leaves or claims or assumed or source or mind or groups or shapes)"


def test_its_own_tests_fail_and_of_those_for_every_method_only_the_one_that_asks_the_catalog(repository):
    test = str(scaffold(repository, "dcl", catalogued("dcl"))[1])
    outcomes = pytest_of(repository, test, "tests/implementations/test_methods.py", "-k", CHOSEN)
    failed = [name for name, outcome in outcomes.items() if outcome != "PASSED"]
    assert sorted(failed) == sorted([*OWN, "test_what_it_claims_is_what_the_catalog_holds_and_both_name_each_other[dcl]"])
    assert len(outcomes) - len(failed) == 8


MECHANISM = """        logits = self(images)
        return {"cross-entropy": F.cross_entropy(logits, labels), "confusion": logits.softmax(1).square().sum(1).mean()}
"""


@pytest.mark.parametrize(
    ("entry", "written", "outcomes"),
    [(CNN, "to be written", ["PASSED", "FAILED", "FAILED"]), (VIT, "as told", ["PASSED", "PASSED", "PASSED"])],
    ids=["a mechanism alone", "docstrings too"],
)
def test_its_own_test_passes_once_a_mechanism_is_there_and_the_docstrings_are_written(repository, entry, written, outcomes):
    file, test, ablations = scaffold(repository, "kestrel-net", entry)
    plain = '        return {"cross-entropy": F.cross_entropy(self(images), labels)}\n'
    text = file.read_text(encoding="utf-8")
    assert text.count(plain) == 1
    file.write_text(re.sub("(?i)to be written", written, text.replace(plain, MECHANISM)), encoding="utf-8")
    ablations.write_text(re.sub("(?i)to be written", written, ablations.read_text(encoding="utf-8")), encoding="utf-8")
    assert pytest_of(repository, str(test)) == dict(zip(OWN, outcomes, strict=True))


def test_a_docstring_says_what_paper_it_is_and_where_to_find_it(places):
    said = ast.get_docstring(ast.parse(scaffold(places, "kestrel-net", VIT)[0].read_text(encoding="utf-8")))
    assert said.startswith("To be written: Kestrel-Net, Kestrel: Hovering Attention (Falk, ICB 2021).\n")
    assert "Ids: arxiv 2103.00010, doi 10.1234/icb.2021.1." in said
    for part in ("Kept: ", "Left out: ", "Assumed: ", "Where paper and code differ: ", "Catalog: catalog/papers/kestrel-net.yaml."):
        assert part in said


@pytest.mark.parametrize(
    ("authors", "cited"),
    [(["Ada Falk"], "Falk, ICB 2021"), (["Ada Falk", "Bo Sperber"], "Falk and Sperber, ICB 2021"), (["Ada Falk", "Bo Sperber", "Cem Uhu"], "Falk et al., ICB 2021")],
)
def test_authors_are_named_as_people_cite(places, authors, cited):
    assert f"({cited})." in scaffold(places, "kestrel-net", CNN | {"authors": authors})[0].read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------- whatever it is called

TITLES = [
    'A "quoted" title',
    '"""',
    'Ends in a quote"',
    '"Begins with one',
    "It's ''' single",
    r"Maths: $\alpha$-nets and \u12 and \N{foo} and \\",
    "A backslash at the end \\",
    '\\""" __import__("os").system("touch x") \\"""',
    "{{ id }} {% raw %} {# comment #}",
    "%(prog)s 100% %s",
    "細粒度識別" * 40,
    "مرحبا بالعالم \u202e\u200f kcab",
    "Œuvre naïve – Žižek × ½ 🐦" * 8,
    "Line one\nline two\r\n\tline three\x00\x1b[31m\x0c",
    "w" * 400,
    "many words " * 60,
    "# noqa: E501  # fmt: off",
    "to",
]


def width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def test_whatever_the_title_the_files_are_clean_python_that_does_nothing_else(repository):
    files = []
    for number, title in enumerate(TITLES):
        for kind, name in (("named", title), ("nameless", None)):
            files += scaffold(repository, f"{kind}-{number}", {key: value for key, value in (VIT | {"title": title, "name": name}).items() if value})
    files += scaffold(repository, "n" * LONGEST_ID, CNN | {"name": "W" * 40, "authors": [r"Ada \"Falk\"", "Bo"]})
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert max(map(width, text.splitlines())) <= 130
        assert len(text.splitlines()) <= 220
        assert [type(node).__name__ for node in ast.parse(text).body if isinstance(node, ast.Expr)] == ["Expr"]
    for command in (["check"], ["format", "--check"]):
        shown = run(repository, "-m", "ruff", *command, "--no-cache", *files)
        assert shown.returncode == 0, shown.stdout + shown.stderr


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("TransFG", "TransFG"),
        ("RAMS-Trans", "RAMSTrans"),
        ("part selection (v2)", "PartSelectionV2"),
        ("Œuvre naïve", "UvreNaive"),
        ("3D-Net", "KestrelNet"),
        ("細粒度", "KestrelNet"),
        ("", "KestrelNet"),
        (None, "KestrelNet"),
        ("Method", "KestrelNet"),
        ("none", "KestrelNet"),
        ("Plain", "KestrelNet"),
        ("Test-Net", "KestrelNet"),
        ("W" * 41, "KestrelNet"),
        ('X(Method): pass #"', "XMethodPass"),
    ],
)
def test_the_class_is_called_as_the_paper_is(name, expected):
    assert class_name("kestrel-net", name) == expected


@pytest.mark.parametrize(("entry_id", "expected"), [("method", "PaperMethod"), ("test-net", "PaperTestNet"), ("n" * 60, "Paper" + "N" + "n" * 34)])
def test_an_id_that_is_no_classs_name_gets_a_word_before_it(entry_id, expected):
    assert class_name(entry_id, None) == expected


# ------------------------------------------------------------------------------------------------- when it does nothing


def files_below(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("entry_id", "why"),
    [
        ("3d-net", "begins with a digit"),
        ("lambda", "is a word of Python's own"),
        ("../kestrel", "isn't one"),
        ("Kestrel", "isn't one"),
        ("kestrel_net", "isn't one"),
        ("", "isn't one"),
        ("n" * 61, "has 61 characters, expected at most 60"),
    ],
)
def test_an_id_that_no_module_can_have_is_refused_and_it_says_what_to_do(places, entry_id, why):
    before = files_below(places)
    with pytest.raises(Refusal, match=re.escape(why)) as refused:
        scaffold(places, entry_id, CNN)
    assert "give the paper another one with --id" in str(refused.value)
    assert files_below(places) == before


@pytest.mark.parametrize("there", ["implementations/kestrel.py", "tests/implementations/test_kestrel.py", "implementations/ablations/kestrel.py", "implementations/kestrel/parts.py"])
def test_nothing_that_exists_is_overwritten(places, there):
    (places / there).parent.mkdir(exist_ok=True)
    (places / there).write_text("somebody's work\n", encoding="utf-8")
    before = files_below(places)
    with pytest.raises(Refusal, match="is there already, and nothing was written"):
        scaffold(places, "kestrel", CNN)
    assert files_below(places) == before


def test_a_link_to_nothing_isnt_overwritten_either(places):
    (places / "implementations/kestrel.py").symlink_to(places / "elsewhere")
    with pytest.raises(Refusal, match=r"implementations/kestrel\.py is there already"):
        scaffold(places, "kestrel", CNN)
    assert not (places / "elsewhere").exists()


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("implementations", "implementations/kestrel.py"),
        ("tests/implementations", "tests/implementations/test_kestrel.py"),
        ("implementations/ablations", "implementations/ablations/kestrel.py"),
    ],
)
def test_all_files_are_written_or_none(places, missing, named):
    shutil.rmtree(places / missing)
    before = files_below(places)
    with pytest.raises(Refusal, match=f"{re.escape(named)} can't be written .*; nothing was written"):
        scaffold(places, "kestrel", CNN)
    assert files_below(places) == before
