"""``--fix`` mends what it may, restores a mangled catalog byte for byte, and touches nothing else."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.catalog import ROOT, load
from tools.check_catalog import main
from tools.draft import read_all
from tools.fixes import fixed, fixes
from tools.problems import RULES
from tools.reading import Refused, from_text
from tools.schema import Paper

# ------------------------------------------------------------------------------------------------------------- mangling


def reversed_keys(text: str) -> str:
    """The last key first, and the metric before the dataset."""
    text = "".join(reversed(re.split(r"(?m)^(?=\S)", text)))
    return re.sub(r"(?m)^  - (dataset: .*)\n    (metric: .*)$", r"  - \2\n    \1", text)


def single_quotes(text: str) -> str:
    return re.sub(r'(?m)^(\w+): "([^"\'\\]*)"$', r"\1: '\2'", text)


def no_quotes(text: str) -> str:
    """An arXiv id without quotes is a number: 2003.05230 has its last zero from the file alone."""
    return re.sub(r'(arxiv|volume|number): "([\d.]+)"', r"\1: \2", text)


def quoted_numbers(text: str) -> str:
    text = re.sub(r"(?m)^(year|classes|added): (\S+)$", r'\1: "\2"', text)
    return re.sub(r"(?m)^( *value|  input_size): ([\d.]+)$", r'\1: "\2"', text)


def other_indentation(text: str) -> str:
    return re.sub(r"(?m)^(?= )", "   ", text)


def trailing_blanks(text: str) -> str:
    return text.replace("\n", "  \n")


def windows_lines(text: str) -> str:
    return text.replace("\n", "\r\n")


def byte_order_mark(text: str) -> str:
    return f"\ufeff{text}"


def blank_lines(text: str) -> str:
    return re.sub(r"(?m)^(\w+:)", r"\n\1", text)


def one_line_summaries(text: str) -> str:
    """Folded blocks unfolded into double quotes."""

    def unfold(found: re.Match) -> str:
        words = " ".join(found[3].split())
        return f'{found[1]}{found[2]}: {yaml.dump(words, default_style=chr(34), width=10**6, allow_unicode=True).strip()}\n'

    return re.sub(r"(?m)^( *)(\w+): >-\n((?:\1  .*\n)+)", unfold, text)


LINK = r"(?m)^(  - \{kind: \w+, (?:official: \w+, )?url: )"


def versioned_ids(text: str) -> str:
    text = re.sub(r'(arxiv: "[\d.]+)"', r'\1v2"', text)
    return re.sub(rf"{LINK}https://arxiv\.org/abs/([\d.]+)", r"\1https://www.arxiv.org/pdf/\2v3.pdf", text)


def prefixed_ids(text: str) -> str:
    text = re.sub(r'arxiv: "([\d.]+)"', r'arxiv: "https://arxiv.org/abs/\1v1"', text)
    return re.sub(r'doi: "(10\.)', r'doi: "https://doi.org/\1', text)


def http_twins(text: str) -> str:
    """All but one entry's: it shows that the hosts have https."""
    return re.sub(rf"{LINK}https://(github\.com|arxiv\.org)", r"\1http://\2", text) if "TransFG" not in text else text


def ligatures(text: str) -> str:
    return re.sub(r"(?m)(?<=[a-z])fi(?=[a-z])", "\ufb01", re.sub(r"é", "e\u0301", text))


def escapes(text: str) -> str:
    return re.sub(r'(?m)^(title: "\w)', r"\1\\u00ad", text)


def soft_hyphens_and_hard_blanks(text: str) -> str:
    return re.sub(r'(?m)^(title: "\w)(\w*) ', "\\1\u00ad\\2\u00a0", text)


MANGLES: dict[str, Callable[[str], str]] = {
    mangle.__name__: mangle
    for mangle in (
        reversed_keys, single_quotes, no_quotes, quoted_numbers, other_indentation, trailing_blanks, windows_lines, byte_order_mark, blank_lines, one_line_summaries,
        versioned_ids, prefixed_ids, http_twins, ligatures, escapes, soft_hyphens_and_hard_blanks,
    )
}  # fmt: skip


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A copy of the real catalog."""
    shutil.copytree(ROOT / "catalog", tmp_path / "catalog")
    shutil.copy(ROOT / "catalog.yaml", tmp_path)
    (tmp_path / "implementations").symlink_to(ROOT / "implementations")
    return tmp_path


def entries(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted((root / "catalog").glob("*/*.yaml"))}


@pytest.mark.parametrize("mangle", MANGLES.values(), ids=MANGLES)
def test_every_entry_mangled_in_a_way_that_fix_mends_is_restored_byte_for_byte(whole, capsys, mangle):
    before = entries(whole)
    for name in before:
        file = whole / name
        file.write_text(mangle(file.read_text(encoding="utf-8")), encoding="utf-8", newline="")
    changed = [name for name, text in entries(whole).items() if text != before[name]]
    assert changed
    assert main(["--root", str(whole), "--fix"]) == 0
    assert entries(whole) == before
    assert f"{len(changed)} file{'s' * (len(changed) != 1)} mended" in capsys.readouterr().err


def test_each_rule_that_promises_a_fix_was_broken_and_mended_above(whole):
    found = set()
    before = entries(whole)
    for mangle in MANGLES.values():
        for name, text in before.items():
            (whole / name).write_text(mangle(text.decode()), encoding="utf-8", newline="")
        found |= {problem.rule for problem in load(whole)[1] if RULES[problem.rule].fix}
    assert found == {rule.id for rule in RULES.values() if rule.fix}


def test_comments_stay_where_they_were(tree, capsys):
    file = tree / "catalog" / "papers" / "siskin.yaml"
    tidy = file.read_text(encoding="utf-8").replace("year: 2020", "# as printed\nyear: 2020  # not 2019")
    file.write_text(tidy.replace('name: "Siskin"\n', "").replace("added:", 'name: Siskin\nadded:'), encoding="utf-8")
    assert main(["--root", str(tree), "--fix"]) == 0
    assert file.read_text(encoding="utf-8") == tidy
    assert '-name: Siskin\n' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("volume:", "volum:"),  # rewriting would lose the field
        ("https://x", "http://x"),
        ("[Carla Zeisig]", "Carla Zeisig"),
        ("year: 2020", "year: twenty"),
        ("year: 2020", "year: 2020\nyear: 2021"),
        ("year: 2020", "year: &y 2020"),
        ("year: 2020", "year:\t2020"),
        ("approaches: [metric-learning]", "approaches: " + 40_000 * "["),
        ("approaches: [metric-learning]", "approaches: &a [*a]"),
        ("volume: \"3\"", "volume:"),
        ("added: 2022-05-01", 'added: "2022-13-01"'),
        ("links:\n  - {kind: pdf, url: https://x.example/1}", "links: ~"),
        ('title: "Siskin', 'title: "Siskin" "'),
    ],
)
def test_what_isnt_plainly_meant_is_left_to_the_byte(tree, old, new):
    file = tree / "catalog" / "papers" / "siskin.yaml"
    text = file.read_text(encoding="utf-8").replace("approaches:", "links:\n  - {kind: pdf, url: https://x.example/1}\napproaches:")
    file.write_text(text.replace(old, new), encoding="utf-8")
    before = file.read_bytes()
    assert main(["--root", str(tree), "--fix"]) == 1
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('title: "Siskin: Comparing', 'title: "Siskin:\n  Comparing'),
        ("authors: [Carla Zeisig]", "authors: [\n  Carla Zeisig  # first\n  ]"),
        ("approaches: [metric-learning]", "approaches:  # here\n- metric-learning  # there\n# and there"),
        ('title: "Siskin', '--- # start\ntitle: "Siskin'),
        ("summary: >-", "# before\nsummary: >-  # beside"),
    ],
)
def test_no_comment_is_lost_wherever_it_stood(tree, old, new):
    file = tree / "catalog" / "papers" / "siskin.yaml"
    text = file.read_text(encoding="utf-8").replace(old, new).replace("\nauthors", "  # at the title\nauthors").replace("]\n", "]  # at its end\n")
    file.write_text(text, encoding="utf-8")
    assert main(["--root", str(tree), "--fix"]) == 0
    once = file.read_text(encoding="utf-8")
    assert sorted(re.findall(r"# ([a-z ]+?)(?= #|$)", once, re.MULTILINE)) == sorted(re.findall(r"# ([a-z ]+?)(?= #|$)", text, re.MULTILINE))
    assert main(["--root", str(tree), "--diff"]) == 0


def test_an_address_isnt_mended_into_one_that_the_entry_has(tree):
    file = tree / "catalog" / "papers" / "kestrel.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("  - {kind: code", "  - {kind: pdf, url: https://arxiv.org/pdf/2103.00010}\n  - {kind: code"), encoding="utf-8")
    assert main(["--root", str(tree), "--fix"]) == 1
    assert "https://arxiv.org/pdf/2103.00010" in file.read_text(encoding="utf-8")


TREE = ROOT / "tests" / "data" / "tree" / "catalog" / "papers" / "kestrel.yaml"
SNIPPETS = ["", "#", " # c", "\n# c\n", "~", '"', "'", "[", "]", "{", "}", ": ", "- ", "&a ", "*a", "!!binary ", "|", ">-", "\t", "\r\n", "---", "0", "1e9", "null", "é", "\ufb01", "\\"]


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 8), st.sampled_from(SNIPPETS)), min_size=1, max_size=3))
@settings(max_examples=400)
def test_whatever_a_file_holds_it_is_refused_or_mended_once_and_for_all(changes):
    text = TREE.read_text(encoding="utf-8")
    for start, length, snippet in changes:
        text = text[:start] + snippet + text[start + length :]
    try:
        after = fixed(text, "kestrel.yaml", Paper, set())
    except Refused:
        return
    if after is not None:
        assert fixed(after, "kestrel.yaml", Paper, set()) == after
        assert Paper.model_validate(from_text(after, "kestrel.yaml").data)


def test_diff_shows_what_fix_would_change_and_changes_nothing(tree, capsys):
    file = tree / "catalog" / "papers" / "siskin.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace('name: "Siskin"', "name: Siskin"), encoding="utf-8")
    before = file.read_bytes()
    assert main(["--root", str(tree), "--diff"]) == 1
    told = capsys.readouterr().err
    assert '-name: Siskin\n+name: "Siskin"\n' in told
    assert told.endswith("--fix would mend 1 file\n")
    assert file.read_bytes() == before


def test_a_valid_catalog_needs_no_fix():
    assert list(fixes(read_all(ROOT))) == []


def test_no_temporary_file_is_left_beside_an_entry(tree):
    file = tree / "catalog" / "papers" / "siskin.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace('name: "Siskin"', "name: Siskin"), encoding="utf-8")
    main(["--root", str(tree), "--fix"])
    assert sorted(file.name for file in file.parent.iterdir()) == ["kestrel.yaml", "siskin.yaml"]
