"""Each kind of broken entry gives one message: where, what was found, what was expected."""

from __future__ import annotations

import pytest

from tools.catalog import load
from tools.check_catalog import main
from tools.problems import RULES
from tools.rules import CHECKS

KESTREL, SISKIN = "catalog/papers/kestrel.yaml", "catalog/papers/siskin.yaml"
FEATHERS, MANIFEST = "catalog/datasets/feathers.yaml", "catalog.yaml"

# fmt: off
# file, what is replaced, by what, where the message points, the rule, what the message says
BROKEN = [
    (KESTREL, "dataset: feathers\n    metric: top-1\n    value: 93.2", "dataset: feather\n    metric: top-1\n    value: 93.2",
     "28:14", "reference-unknown", 'results[1].dataset: no dataset "feather"; did you mean "feathers"?'),
    (KESTREL, "venue: icb", "venue: icbb", "5:8", "vocabulary-unknown",
     'venue: no "icbb" among the venues of catalog.yaml; did you mean "icb"?'),
    (KESTREL, "approaches: [attention]", "approaches: [metric-learning, atention]", "11:31", "vocabulary-unknown",
     'approaches[1]: no "atention" among the approaches of catalog.yaml; did you mean "attention"?'),
    (KESTREL, "mechanisms: [multi-scale]", "mechanisms: [multiscale]", "12:14", "vocabulary-unknown", 'did you mean "multi-scale"?'),
    (KESTREL, "backbone: nest-101", "backbone: nest101", "31:15", "vocabulary-unknown",
     'results[1].backbone: no "nest101" among the backbones of catalog.yaml; did you mean "nest-101"?'),
    (KESTREL, "pretraining: imagenet-1k", "pretraining: imagenet", "20:18", "vocabulary-unknown", 'did you mean "imagenet-1k"?'),
    (KESTREL, "metric: top-1\n    value: 91.2", "metric: top1\n    value: 91.2", "38:13", "vocabulary-unknown",
     'reproductions[0].metric: no "top1" among the metrics of catalog.yaml; did you mean "top-1"?'),
    (KESTREL, "backbone: nest-101\n    split: test", "backbone: nest-101\n    split: tst", "32:12", "split-unknown",
     'results[1].split: feathers has no split "tst"; did you mean "test"?'),
    (KESTREL, "input_size: 448\n    split: test", "input_size: 448\n    split: test\n    labels: genus", "23:13", "split-unknown",
     'results[0].labels: feathers has no labels "genus"'),
    (KESTREL, "input_size: 448\n    split: test", "input_size: 448\n    split: test\n    labels: species", "23:13", "split-unknown",
     'results[0].labels: "species" is the finest level of feathers; leave `labels` out'),
    (MANIFEST, "leaderboards:\n", "leaderboards:\n  - {dataset: feathers, metric: top-1, split: train}\n", "30:5", "leaderboard-metric-unknown",
     "leaderboards[1]: a second leaderboard for feathers; keep one"),
    (KESTREL, '"2103.00010"', "2003.05230", "7:14", "field-type",
     'ids.arxiv: found the number 2003.05230, expected a text; put it in double quotes: "2003.05230"'),
    (KESTREL, '"2103.00010"', '"2103.00010v2"', "7:14", "field-value",
     'ids.arxiv: found "2103.00010v2", expected an arXiv id without its version, such as "2103.07976"'),
    (KESTREL, '"10.1234/icb.2021.1"', '"https://doi.org/10.1234/icb.2021.1"', "7:33", "field-value", "expected a DOI without the resolver"),
    (KESTREL, "authors: [Ada Falk, Bo Sperber]", "authors: Ada Falk", "3:10", "field-type",
     "authors: found the text Ada Falk, expected a list"),
    (KESTREL, "year: 2021", 'year: "2021"', "4:7", "field-type", "year: found the text 2021, expected a whole number; write it without quotes"),
    (KESTREL, "year: 2021", "year: 1921", "4:7", "year-range", "year: found 1921, expected 1990 to 2023"),
    (KESTREL, "year: 2021", "year: 2024", "4:7", "year-range", "year: found 2024, expected 1990 to 2023"),
    (KESTREL, "year: 2021\n", "", "1:1", "field-missing", 'year: the field "year" is missing: The year of the venue.'),
    (KESTREL, "added: 2022-05-01", "added: 2022-13-01", "53:8", "yaml-syntax", "2022-13-01 is not valid"),
    (KESTREL, "summary: >-", "sumary: >-", "13:1", "field-unknown", 'sumary: no field "sumary" here; did you mean "summary"?'),
    (KESTREL, "input_size: 448", "input_sise: 448", "21:5", "field-unknown", 'did you mean "input_size"?'),
    (KESTREL, "{kind: code,", "{kind: sourcecode,", "10:12", "field-value",
     'links[1].kind: found "sourcecode", expected one of paper, pdf, code'),
    (KESTREL, "https://code.example/kestrel}", "http://code.example/kestrel}", "10:39", "link-https",
     "links[1].url: found http; write https, or add `https: false` where the host has none"),
    (FEATHERS, "http://feathers.example/, https: false", "https://feathers.example/, https: false", "5:23", "link-https",
     "the address is https, but `https: false` says that the host has none"),
    (KESTREL, "https://code.example/kestrel}", "code.example/kestrel}", "10:39", "field-value", "expected an address that starts with https://"),
    (KESTREL, "https://arxiv.org/abs/2103.00010", "https://arxiv.org/pdf/2103.00010v1", "9:24", "link-arxiv",
     "links[0].url: expected the abstract page without a version"),
    (KESTREL, "value: 91.2", "value: .nan", "39:12", "field-value", "reproductions[0].value: found nan: input should be a finite number"),
    (KESTREL, "value: 93.2\n", "value: 0.932\n", "35:9", "correction-missing", ""),
    (KESTREL, "value: 91.2", "value: 912.0", "39:12", "metric-bounds", "reproductions[0].value: found 912, expected 0 to 100"),
    (KESTREL, "value: 91.2", "value: 91.4", "39:12", "runs-mean", "reproductions[0].value: found 91.4, but the runs' mean is 91.200"),
    (KESTREL, "value: 91.7}\n  - dataset", "value: 91.9}\n  - dataset", "27:9", "correction-missing",
     "results[0].sources[1]: differs from the result; expected a correction of results.value on feathers"),
    (KESTREL, "field: results.backbone", "field: results.split", "35:9", "correction-missing", "expected a correction of results.backbone on feathers"),
    (KESTREL, "said: {backbone: nest-50}", "said: {bakbone: nest-50}", "35:84", "protocol-field-unknown",
     'results[1].sources[1].said.bakbone: "bakbone" isn\'t a field of a result; did you mean "backbone"?'),
    (KESTREL, "backbone: nest-101\n", "backbone: nest-50\n    pretraining: imagenet-1k\n    input_size: 448\n", "28:5", "duplicate-claim",
     "results[1]: the same claim as results[0]"),
    (SISKIN, "approaches:", 'ids: {arxiv: "2103.00010"}\napproaches:', "7:14", "duplicate-paper", "kestrel has the same arXiv id"),
    (SISKIN, "Siskin: Comparing Feathers in Pairs", "Kestrel – hovering attention for fine grained recognition", "1:8", "duplicate-paper",
     "title: kestrel has the same title"),
    (SISKIN, "no_results: >-\n  The journal prints pictures only.\n", "", "1:1", "results-missing", "found neither results nor no_results"),
    (SISKIN, "formerly: [siskin-net]", "formerly: [siskin-net, kestrel]", "12:24", "formerly-taken", '"kestrel" belongs to papers/kestrel already'),
    (SISKIN, "formerly:", "implementation:\n  file: implementations/siskin.py\n  claim: {dataset: feathers, metric: top-1, value: 1.0}\nformerly:",
     "13:9", "implementation-claim", "implementation.file: the file implementations/siskin.py doesn't exist"),
    (FEATHERS, "classes: 100", "classes: 90", "1:1", "field-value", "levels: the largest is 100, but classes is 90"),
    (FEATHERS, "{train: 3000, test: 2000}", "{train: 3000, test: 0}", "8:29", "field-value", "splits.test: found 0: input should be greater than"),
    (FEATHERS, '"0123456789abcdef0123456789abcdef"', '"0123"', "14:10", "field-value", 'found "0123", expected 32 hexadecimal digits'),
    (FEATHERS, "added:", "added: 2022-05-02\nadded:", "17:1", "yaml-duplicate-key", 'the key "added" stands on line 16 already'),
    (FEATHERS, "classes: 100", "classes:\t100", "6:9", "yaml-tab", "found a tab, expected blanks"),
    (FEATHERS, "classes: 100", "classes: &n 100", "6:10", "yaml-alias", "found an anchor or alias; write the value out"),
    (FEATHERS, "year: 2019", "year: 2019: x", "3:11", "yaml-syntax", "not valid YAML"),
    (FEATHERS, "year: 2019", "year: !!python/object:os.system 2019", "3:7", "yaml-syntax", "could not determine a constructor"),
    (FEATHERS, 'name: "Feathers"', "name: Feathers", "2:1", "not-normal", "run `python -m tools.normalize catalog/datasets/feathers.yaml`"),
    (FEATHERS, "year: 2019", "year: 2019\n---", "4:1", "yaml-syntax", "expected a single document"),
    (MANIFEST, "- {dataset: feathers, metric: top-1, split: test}", "- {dataset: fur, metric: top-1, split: test}", "29:15", "reference-unknown", 'no dataset "fur"'),
    (MANIFEST, "split: test}", "split: tset}", "29:47", "leaderboard-metric-unknown", 'feathers has no split "tset"; did you mean "test"?'),
    (MANIFEST, "metric: top-1, split", "metric: top-5, split", "29:33", "leaderboard-metric-unknown", 'no metric "top-5"'),
    (MANIFEST, "short: JB, kind: journal", "short: JB, kind: journal, aliases: [ICB]", "32:7", "alias-taken", '"ICB" names the venue icb already'),
    (MANIFEST, "  listed: {name", "  trusted: {name", "12:3", "levels-defined", "found trusted, sourced, reproduced-by-others, reproduced, contested, expected listed, sourced"),
]
# fmt: on


@pytest.mark.parametrize(
    ("file", "old", "new", "where", "rule", "message"), BROKEN, ids=[f"{b[4]}-{i}" for i, b in enumerate(BROKEN)]
)
def test_a_broken_entry_is_named_by_place_and_rule(tree, problems_after, capsys, file, old, new, where, rule, message):
    found = [p for p in problems_after(file, old, new) if p.rule == rule]
    assert found, f"expected {rule}"
    assert str(found[0]).startswith(f"{file}:{where}: "), str(found[0])
    assert message in str(found[0])
    assert main(["--root", str(tree)]) == 1
    assert str(found[0]) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("claim", "count"),
    [("value: 91.7", None), ("value: 93.2, backbone: nest-101", None), ("value: 93.2, backbone: nest-50", 0), ("value: 90.0", 0)],
)
def test_an_implementations_claim_selects_exactly_one_result(tree, problems_after, claim, count):
    (tree / "implementations").mkdir()
    (tree / "implementations" / "kestrel.py").touch()
    block = f"implementation:\n  file: implementations/kestrel.py\n  claim: {{dataset: feathers, metric: top-1, {claim}}}\ncorrections:"
    messages = [p.message for p in problems_after(KESTREL, "corrections:", block)]
    assert messages == ([] if count is None else [f"selects {count} of the paper's results, expected exactly one"])


def test_only_a_paper_without_results_may_be_implemented_without_a_claim(tree, problems_after):
    (tree / "implementations").mkdir()
    for name in ("kestrel", "siskin"):
        (tree / "implementations" / f"{name}.py").touch()
    assert not problems_after(SISKIN, "formerly:", "implementation:\n  file: implementations/siskin.py\nformerly:")
    found = problems_after(KESTREL, "corrections:", "implementation:\n  file: implementations/kestrel.py\ncorrections:")
    assert [(p.rule, p.message) for p in found] == [("implementation-claim", "names none of the paper's results, expected one under claim")]


def test_a_claim_that_selects_two_results_is_refused(tree, problems_after):
    (tree / "implementations").mkdir()
    (tree / "implementations" / "kestrel.py").touch()
    twin = "  - dataset: feathers\n    metric: top-1\n    value: 91.7\n    variant: twin\n    sources:\n      - {from: paper, value: 91.7}\nreproductions:"
    problems_after(KESTREL, "reproductions:", twin)
    block = "implementation:\n  file: implementations/kestrel.py\n  claim: {dataset: feathers, metric: top-1, value: 91.7}\ncorrections:"
    found = problems_after(KESTREL, "corrections:", block)
    assert [p.message for p in found] == ["selects 2 of the paper's results, expected exactly one"]


def test_the_invented_tree_is_valid(tree):
    catalog, problems = load(tree)
    assert not problems
    assert list(catalog.papers) == ["kestrel", "siskin"]


def test_all_problems_of_all_files_are_found_in_one_run_and_sorted(tree, problems_after):
    problems_after(KESTREL, "year: 2021", "year: x\nname: y")
    problems_after(FEATHERS, "classes: 100", "clases: 100")
    found = problems_after(SISKIN, "venue: jb", "venue: jbb")
    assert [p.path for p in found] == sorted(p.path for p in found)
    assert {p.rule for p in found} == {"yaml-duplicate-key", "field-unknown", "field-missing", "vocabulary-unknown"}


def test_a_reference_to_a_broken_entry_is_no_second_mistake(problems_after):
    assert {p.path for p in problems_after(FEATHERS, "classes: 100", "classes: many")} == {FEATHERS}


def test_a_file_with_another_name_or_place_is_refused(tree):
    (tree / "catalog" / "papers" / "Kestrel_2.yml").touch()
    (tree / "catalog" / "paper").mkdir()
    found = [str(p) for p in load(tree)[1]]
    assert found == [
        'catalog/paper:1:1: expected one of the folders papers, datasets, workshops, challenges, surveys; did you mean "papers"?',
        "catalog/papers/Kestrel_2.yml:1:1: expected a name such as transfg.yaml: lower-case letters, digits, single hyphens, .yaml",
    ]


def test_every_rule_says_what_is_wrong_why_it_matters_and_how_to_mend_it():
    for rule, explanation in RULES.items():
        summary, blank, *rest = explanation.split("\n")
        assert summary.endswith("."), rule
        assert not blank, rule
        assert len(rest) >= 2, rule


def test_every_rule_has_a_broken_entry_that_shows_it():
    shown = {row[4] for row in BROKEN} | {"file-kind", "file-size", "file-encoding", "file-empty", "file-name", "yaml-nesting"}
    assert set(RULES) == shown


def test_every_check_is_a_rule():
    assert all(check.rule_id in RULES for check in CHECKS)
