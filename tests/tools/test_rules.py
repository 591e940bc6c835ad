"""Each kind of broken entry gives one message: where, what was found, what was expected."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest

from tools.catalog import load
from tools.check_catalog import main
from tools.problems import LEVELS, RULES
from tools.rules import CHECKS
from tools.rules.results import is_reachable

KESTREL, SISKIN = "catalog/papers/kestrel.yaml", "catalog/papers/siskin.yaml"
FEATHERS, MANIFEST = "catalog/datasets/feathers.yaml", "catalog.yaml"
BIRDS, NESTING = "catalog/surveys/birds-2022.yaml", "catalog/workshops/nesting-1.yaml"

TWIN = """\
  - dataset: feathers
    metric: top-1
    value: 93.2
    backbone: nest-101
    split: test
    sources:
      - {from: paper, value: 93.2}
reproductions:"""

EXCEPTIONS = """\
link_exceptions:
  - {url: https://a.example/b, verdicts: [blocked], reason: It asks for a login., until: 2020-01-01}
  - {host: a.example, reason: It refuses programs., until: 2027-05-01}
"""

FUR = """\
title: "Fur: Ten Kinds of Hair"
name: "Fur"
aliases: [Hair]
year: 2019
classes: 10
splits: {train: 30, test: 20}
summary: >-
  Fur of ten animals.
sources: [invented]
added: 2022-05-01
"""

# fmt: off
# file, what is replaced, by what, where the message points, the rule, what the message says
BROKEN = [
    (KESTREL, "dataset: feathers\n    metric: top-1\n    value: 91.2", "dataset: feather\n    metric: top-1\n    value: 91.2",
     "37:14", "reference-unknown", 'reproductions[0].dataset: no dataset "feather"; did you mean "feathers"?'),
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
    (MANIFEST, "leaderboards:\n", "leaderboards:\n  - {dataset: feathers, metric: top-1, split: train}\n", "28:5", "leaderboard-metric-unknown",
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
    (SISKIN, 'volume: "3"', 'volum: "3"', "6:1", "field-unknown", 'volum: no field "volum" here; did you mean "volume"?'),
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
    (KESTREL, "value: 93.2\n", "value: 93.9\n", "35:9", "correction-missing", "expected a correction of results.value on feathers"),
    (KESTREL, "table, value: 93.2", "table, value: 932.0", "34:60", "metric-bounds", "results[1].sources[0].value: found 932, expected 0 to 100"),
    (KESTREL, "value: 91.2", "value: 91.4", "39:12", "runs-mean", "reproductions[0].value: found 91.4, but the runs' mean is 91.200"),
    (KESTREL, "value: 91.7}\n  - dataset", "value: 91.9}\n  - dataset", "27:9", "correction-missing",
     "results[0].sources[1]: differs from the result; expected a correction of results.value on feathers"),
    (KESTREL, "field: results.backbone", "field: results.split", "35:9", "correction-missing", "expected a correction of results.backbone on feathers"),
    (KESTREL, "input_size: {from: authors", "input_sise: {from: authors", "24:7", "protocol-field-unknown",
     'results[0].fields.input_sise: "input_sise" isn\'t a field of a result; did you mean "input_size"?'),
    (KESTREL, "reproductions:", TWIN, "36:5", "duplicate-claim", "results[2]: the same claim as results[1]"),
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
    (FEATHERS, 'name: "Feathers"', "name:", "2:6", "yaml-null", "found nothing, expected a value; leave out what isn't known"),
    (FEATHERS, "{train: 3000, test: 2000}", "{train: 3000, test: ~}", "8:29", "yaml-null", "found nothing"),
    (FEATHERS, "bytes: 123456", "bytes: !!binary aGk=", "13:12", "yaml-syntax", "expected no bytes"),
    (SISKIN, 'name: "Siskin"', 'name: "Sis\\u0001kin"', "2:7", "field-value", "without control characters"),
    (FEATHERS, "added:", "added: 2022-05-02\nadded:", "17:1", "yaml-duplicate-key", 'the key "added" stands on line 16 already'),
    (FEATHERS, "classes: 100", "classes:\t100", "6:9", "yaml-tab", "found a tab, expected blanks"),
    (FEATHERS, "classes: 100", "classes: &n 100", "6:10", "yaml-alias", "found an anchor or alias; write the value out"),
    (FEATHERS, "year: 2019", "year: 2019: x", "3:11", "yaml-syntax", "not valid YAML"),
    (FEATHERS, "year: 2019", "year: !!python/object:os.system 2019", "3:7", "yaml-syntax", "could not determine a constructor"),
    (FEATHERS, 'name: "Feathers"', "name: Feathers", "2:1", "not-normal", "not in normal form; run `python -m tools.check_catalog --fix`"),
    (FEATHERS, "year: 2019", "year: 2019\n---", "4:1", "yaml-syntax", "expected a single document"),
    (MANIFEST, "- {dataset: feathers, metric: top-1, split: test}", "- {dataset: fur, metric: top-1, split: test}", "27:15", "reference-unknown", 'no dataset "fur"'),
    (MANIFEST, "split: test}", "split: tset}", "27:47", "leaderboard-metric-unknown", 'feathers has no split "tset"; did you mean "test"?'),
    (MANIFEST, "metric: top-1, split", "metric: top-5, split", "27:33", "leaderboard-metric-unknown", 'no metric "top-5"'),
    (MANIFEST, "short: JB, kind: journal", "short: JB, kind: journal, aliases: [ICB]", "30:7", "alias-taken", '"ICB" names the venue icb already'),
    (MANIFEST, "  listed: {name", "  trusted: {name", "12:3", "levels-defined", "found trusted, sourced, reproduced-by-others, reproduced, contested, expected listed, sourced"),
    (MANIFEST, "extras: {}", "extras:\n  parts: {name: parts, definition: Parts are given.}", "23:3", "word-unused",
     "extras.parts: no entry uses it; remove it from the extras"),
    (MANIFEST, "levels:\n", "link_exceptions:\n  - {reason: Why not., until: 2027-05-01}\nlevels:\n", "12:5", "link-exception",
     "link_exceptions[0]: found neither `url` nor `host`, expected one of them"),
    (MANIFEST, "levels:\n", "link_exceptions:\n  - {url: https://a.example/, host: a.example, reason: Why not., until: 2027-05-01}\nlevels:\n", "12:5", "link-exception",
     "link_exceptions[0]: found both `url` and `host`, expected one of them"),
    (MANIFEST, "levels:\n", "link_exceptions:\n  - {host: A.example, reason: Why not., until: 2027-05-01}\nlevels:\n", "12:5", "link-exception",
     'link_exceptions[0]: found the host "A.example", expected such as www.example.org'),
    (MANIFEST, "levels:\n", "link_exceptions:\n  - {host: a.example/b, reason: Why not., until: 2027-05-01}\nlevels:\n", "12:5", "link-exception", "no path"),
    (MANIFEST, "levels:\n", EXCEPTIONS + "  - {host: a.example, reason: Again., until: 2027-06-01}\nlevels:\n", "14:5", "link-exception",
     "link_exceptions[2]: link_exceptions[1] speaks of a.example already; join the two"),
    (MANIFEST, "levels:\n", "link_exceptions:\n  - {host: a.example, verdicts: [ok], reason: Why not., until: 2027-05-01}\nlevels:\n", "12:34", "field-value",
     'link_exceptions[0].verdicts[0]: found "ok", expected one of moved, dead, blocked'),
    (MANIFEST, "name: Nest-101", "name: nest-50", "33:3", "word-twin", 'backbones.nest-101: "nest-50" is called nest-50 too; join the two'),
    (BIRDS, "added:", "superseded_by: birds-2022\nadded:", "8:16", "survey-circle", "leads back to this survey"),
    (KESTREL, "locator: a later table, value: 93.2}", "locator: a later table, value: 93.2}\n      - {from: third-party, locator: a later table, value: 93.2}",
     "35:9", "source-twice", "results[1].sources[1]: the same place as sources[0]; keep one"),
    (KESTREL, "official: true, url: https://code.example/kestrel}", "official: true, url: https://code.example/kestrel}\n  - {kind: video, url: https://code.example/kestrel}",
     "11:5", "link-twice", "links[2]: the same address as links[1]; keep one"),
    (SISKIN, "approaches:", "links:\n  - {kind: pdf, url: https://kestrel.example/1}\napproaches:", "8:22", "link-taken",
     "links[0].url: kestrel has this paper's address already"),
    (SISKIN, 'name: "Siskin"', 'name: "KESTREL"', "2:7", "name-taken", "kestrel is called the same"),
    (SISKIN, "[Carla Zeisig]", "[Carla Zeisig, Ada Fälk]", "3:25", "author-twin", 'kestrel spells the name "Ada Falk"; is it one person?'),
    (KESTREL, 'arxiv: "2103.00010"', 'arxiv: "2103.00011"', "9:24", "link-id", "links[0].url: leads to another arXiv id than the entry's (2103.00011)"),
    (SISKIN, "approaches:", "links:\n  - {kind: paper, url: https://doi.org/10.1234/JB.1}\napproaches:", "8:24", "link-id",
     "leads to another DOI than the entry's (it has none)"),
    (NESTING, "number: 1", "number: 1\ndate: 2022-06-01", "5:7", "dates-order", "date: found 2022-06-01, but the year is 2021"),
    (KESTREL, "- date: 2022-05-01", "- date: 2022-04-30", "45:11", "dates-order", "corrections[0].date: found 2022-04-30, but the entry was added on 2022-05-01"),
    (KESTREL, "runs: [91.1, 91.3]", "runs: [91.1, 91.3]\n    sd: 0.5", "42:9", "runs-sd", "reproductions[0].sd: found 0.5, but the runs' deviation is 0.141 (over n: 0.100)"),
    (KESTREL, "      - {from: third-party, locator: a later table, value: 93.2}\n", "      - {from: seed-list, value: 93.2, said: {backbone: nest-50}}\n      - {from: authors, value: 93.2}\n",
     "35:9", "source-order", "results[1].sources[1]: authors stands below seed-list"),
    (KESTREL, "value: 91.2\n    backbone: nest-50\n    runs: [91.1, 91.3]", "value: 91.22\n    backbone: nest-50\n    split: test", "39:12", "value-unreachable",
     "reproductions[0].value: 91.22% of 2,000 images is no number of images; is it a mean, or of another split?"),
    (SISKIN, "approaches:", 'ids: {arxiv: "2103.00012"}\napproaches:', "4:7", "year-of-preprint", "year: found 2020, but 2103.00012 is of 2021"),
    (SISKIN, 'name: "Siskin"', 'name: "Siskin"', "1:1", "implementation-unlisted", "implementations/siskin.py is there; expected `implementation` to name it"),
    ("catalog/datasets/fur.yaml", "aliases: [Hair]", "aliases: [Hair, feathers]", "3:10", "alias-taken", 'aliases: "feathers" names the dataset feathers already'),
    (KESTREL, "{kind: code, official: true, ", "{kind: code, ", "10:5", "link-official", "links[1]: expected `official: true` (the authors' own code) or `official: false`"),
    (KESTREL, "{kind: paper, ", "{kind: paper, official: true, ", "9:5", "link-official", "links[0]: `official` stands at a link to paper, expected at links to code alone; remove it"),
    (SISKIN, "Comparing", "Com\u00adparing", "1:20", "text-characters", "found soft hyphen where another character was meant"),
    (SISKIN, "Carla Zeisig", "Carla Zei\ufb01sig", "3:20", "text-characters", "found latin small ligature fi"),
    (SISKIN, "[Carla Zeisig]", "[\"Carla M{\\\\'u}sig\"]", "3:11", "text-latex", 'authors[0]: found "{", which only LaTeX understands'),
    (SISKIN, "Siskin compares two birds", "TODO: it compares two birds", "9:3", "text-todo", 'found "TODO"; write what is to be said, or leave it out'),
    (SISKIN, "[Carla Zeisig]", '["Zeisig, Carla"]', "3:11", "author-form", 'authors[0]: found "Zeisig, Carla", expected one person, given name first'),
    (SISKIN, "Siskin: Comparing Feathers in Pairs", "SISKIN: COMPARING FEATHERS IN PAIRS", "1:8", "title-case", "title: found capitals alone, expected the title as published"),
    (SISKIN, "Siskin compares two birds at a time. It asks which one is which.", "Siskin compares two birds at a time.", "8:10", "summary-length",
     "summary: found 1 sentence and 36 characters, expected at least 2 and at most 1500"),
    (SISKIN, "Siskin: Comparing Feathers in Pairs", "siskin: comparing feathers in pairs", "1:8", "title-case", "title: found no capital"),
    (SISKIN, "Siskin compares two birds at a time. It asks which one is which.", 1500 * "x" + ".\n  Y.", "8:10", "summary-length",
     "summary: found 2 sentences and 1504 characters, expected at least 2 and at most 1500"),
    (SISKIN, "[Carla Zeisig]", "[Carla Zeisig, others]", "3:25", "author-form", 'authors[1]: found "others"'),
    (SISKIN, "[Carla Zeisig]", "[Carla Zeisig and Bo Sperber]", "3:11", "author-form", 'found "Carla Zeisig and Bo Sperber"'),
    (SISKIN, "Comparing Feathers", "Comparing ``Feathers''", "1:8", "text-latex", 'found "``"'),
    (SISKIN, "approaches:", 'ids: {doi: "10.1234/ICB.2021.1"}\napproaches:', "7:12", "duplicate-paper", "kestrel has the same DOI"),
    (KESTREL, "{kind: paper, url: https://arxiv.org/abs/2103.00010}", "{kind: pdf, url: https://arxiv.org/abs/2103.00012}", "9:22", "link-id", "leads to another arXiv id"),
    (KESTREL, 'pages: "1-9"', 'pages: "pp. 1-9"', "6:8", "pages-form", 'found "pp. 1-9"'),
    (KESTREL, 'pages: "1-9"', 'pages: "1–9"', "6:8", "pages-form", 'found "1–9"'),
    (KESTREL, 'pages: "1-9"', 'pages: "10-9"', "6:8", "pages-form", 'pages: found "10-9", expected such as "852-860"'),
]
# fmt: on

PREPARED = {
    "link-taken": {KESTREL: ("url: https://arxiv.org/abs/2103.00010", "url: https://kestrel.example/1")},
    "year-of-preprint": {MANIFEST: ("short: JB, kind: journal", "short: JB, kind: preprint")},
    "implementation-unlisted": {"implementations/siskin.py": ("", "")},
    "alias-taken": {"catalog/datasets/fur.yaml": ("", FUR)},
}
"""What else is changed first, where a rule looks at more than one file; a new file replaces nothing."""


@pytest.fixture
def prepared(tree, request):
    """The tree, prepared for what a rule looks at."""
    for name, (old, new) in PREPARED.get(request.getfixturevalue("rule"), {}).items():
        file = tree / name
        file.parent.mkdir(exist_ok=True)
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        file.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert not [p for p in load(tree)[1] if p.rule != "implementation-unlisted"]
    return tree


@pytest.mark.parametrize(
    ("file", "old", "new", "where", "rule", "message"), BROKEN, ids=[f"{b[4]}-{i}" for i, b in enumerate(BROKEN)]
)
def test_a_broken_entry_is_named_by_place_and_by_one_rule_alone(prepared, problems_after, capsys, file, old, new, where, rule, message):
    found = problems_after(file, old, new)
    assert {p.rule for p in found} == {rule}
    assert str(found[0]).startswith(f"{file}:{where}: "), str(found[0])
    assert message in str(found[0])
    assert main(["--root", str(prepared)]) == (1 if RULES[rule].level == "error" else 0)
    assert found[0].message in capsys.readouterr().out


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
    (tree / "implementations" / "siskin.py").touch()
    assert not problems_after(SISKIN, "formerly:", "implementation:\n  file: implementations/siskin.py\nformerly:")
    (tree / "implementations" / "kestrel.py").touch()
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
    for rule in RULES.values():
        summary, blank, *rest = rule.explanation.split("\n")
        assert summary.endswith("."), rule.id
        assert not blank, rule.id
        assert len(rest) >= 2, rule.id
        assert rule.level in LEVELS, rule.id


# fmt: off
NEAR = {
    "formerly-taken": (SISKIN, "formerly: [siskin-net]", "formerly: [siskin-net, feathers]"),
    "word-twin": (MANIFEST, "name: Nest-101", "name: Nest-50 v2"),
    "survey-circle": (SURVEY := "catalog/surveys/birds-2023.yaml", "", 'title: "More Birds"\nauthors: [Ada Falk]\nyear: 2022\nvenue: jb\nkind: journal\nsummary: >-\n'
                      "  It covers more.\nsuperseded_by: birds-2022\nadded: 2022-05-01\n"),
    "source-twice": (KESTREL, "locator: a later table, value: 93.2}", "locator: a later table, value: 93.2}\n      - {from: third-party, locator: a page, value: 93.2}"),
    "link-exception": (MANIFEST, "levels:\n", EXCEPTIONS + "levels:\n"),
    "link-twice": (KESTREL, "https://code.example/kestrel}", "https://code.example/kestrel}\n  - {kind: video, url: https://code.example/kestrel/video}"),
    "link-taken": (SISKIN, "approaches:", "links:\n  - {kind: code, official: false, url: https://code.example/kestrel}\napproaches:"),
    "name-taken": (SISKIN, 'name: "Siskin"', 'name: "Kestrel 2"'),
    "author-twin": (SISKIN, "[Carla Zeisig]", "[Carla Zeisig, Ada Falkner, Ada Falk]"),
    "alias-taken": (FEATHERS, "year: 2019", "aliases: [Down, feathers]\nyear: 2019"),
    "link-id": (SISKIN, "approaches:", 'ids: {arxiv: "2001.00012", doi: "10.1234/jb<1>"}\nlinks:\n  - {kind: paper, url: "https://doi.org/10.1234/JB%3C1%3E?x=1"}\n'
                "  - {kind: pdf, url: https://doi.org/10.48550/arXiv.2001.00012}\n  - {kind: code, official: false, url: https://arxiv.org/abs/2103.00010}\napproaches:"),
    "year-of-preprint": (SISKIN, "approaches:", 'ids: {arxiv: "1903.00012"}\napproaches:'),
    "dates-order": (NESTING, "summary:", "date: 2021-12-31\nsummary:"),
    "runs-sd": (KESTREL, "runs: [91.1, 91.3]", "runs: [91.1, 91.3]\n    sd: 0.14"),
    "source-order": (KESTREL, "{from: seed-list, locator: \"leaderboard, row Kestrel\", value: 91.7}", "{from: paper, locator: page 3, value: 91.7}"),
    "value-unreachable": (KESTREL, "runs: [91.1, 91.3]", "sd: 0.14"),
    "implementation-unlisted": ("implementations/sparrow.py", "", "a paper that isn't in the catalog"),
    "text-characters": (SISKIN, "Carla Zeisig", "Carla Zéisig"),
    "text-latex": (SISKIN, "Comparing Feathers", "Comparing 5% of Feathers & Down_2 – from $5 to $10 -"),
    "text-todo": (SISKIN, "Siskin compares two birds", "TODONet or xxx-XXX compares two birds"),
    "author-form": (SISKIN, "[Carla Zeisig]", "[Carla van d'Eyck-Zeisig Jr., \"'t Hooft\", Per And, \"Sammy Davis, Jr.\", Kaiming]"),
    "title-case": (SISKIN, "Siskin: Comparing Feathers in Pairs", "Comparing birds"),
    "pages-form": (KESTREL, 'pages: "1-9"', 'pages: "103214"'),
    "protocol-field-unknown": (KESTREL, "input_size: {from: authors", "split: {from: authors"),
}
"""An entry that comes near a rule, and keeps it. All others are kept by the invented tree, which has what they look at."""
KEPT_IN_THE_TREE = {
    "vocabulary-unknown", "reference-unknown", "leaderboard-metric-unknown", "split-unknown", "word-unused", "duplicate-paper", "duplicate-claim",
    "metric-bounds", "runs-mean", "correction-missing", "results-missing", "link-https", "link-arxiv", "link-official", "summary-length", "year-range",
    "levels-defined", "not-normal", "file-name", "field-missing", "field-unknown", "field-type", "field-value", "yaml-syntax", "yaml-duplicate-key", "yaml-null",
}
IN_TESTS_BELOW = {"implementation-claim"}
IN_TEST_READING = {"file-kind", "file-size", "file-encoding", "file-empty", "yaml-nesting", "yaml-tab", "yaml-alias"}
"""What makes a file unreadable has its tests, for and against, there."""
# fmt: on


@pytest.mark.parametrize("rule", NEAR)
def test_an_entry_that_only_comes_near_a_rule_keeps_it(tree, problems_after, rule):
    name, old, new = NEAR[rule]
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).touch()
    assert problems_after(name, old, new) == []


def test_every_rule_has_an_entry_that_breaks_it_and_one_that_keeps_it():
    assert {row[4] for row in BROKEN} | (IN_TEST_READING | {"file-name"}) == set(RULES)
    assert NEAR.keys() | KEPT_IN_THE_TREE | IN_TESTS_BELOW | IN_TEST_READING == set(RULES)


def test_the_real_catalog_has_no_error_and_no_warning():
    """A note may be right."""
    assert [str(problem) for problem in load()[1] if problem.level != "note"] == []


def test_every_check_is_a_rule():
    assert all(check.rule_id in RULES for check in CHECKS)


@pytest.mark.parametrize(("images", "places"), [(7, 0), (33, 1), (3333, 2), (5794, 2), (5794, 1), (8041, 3)])
def test_a_value_is_reachable_where_some_number_of_images_rounds_or_is_cut_off_to_it(images, places):
    step = Decimal(1).scaleb(-places)
    shares = [Decimal(100 * k) / images for k in range(images + 1)]
    reached = {share.quantize(step, how) for share in shares for how in (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN)}
    values = [step * unit for unit in range(100 * 10**places + 1)]
    wrong = [value for value in values if is_reachable(str(value), images) != (value in reached)]
    assert not wrong if 100 * 10**places > images else all(is_reachable(str(value), images) for value in values)
