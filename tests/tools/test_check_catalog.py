"""The command as people, programs and CI see it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.check_catalog import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def broken(tree: Path) -> Path:
    file = tree / "catalog" / "papers" / "siskin.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("venue: jb", "venue: j%b, 1:2"), encoding="utf-8")
    return tree


def test_a_valid_catalog_is_told_in_one_line_with_exit_code_0(tree, capsys):
    assert main(["--root", str(tree)]) == 0
    assert capsys.readouterr().out == (
        "The catalog is valid: 2 papers, 1 datasets, 1 workshops, 1 challenges, 1 surveys; 2 results.\n"
    )


def test_a_problem_is_told_with_the_command_that_explains_it_and_exit_code_1(broken, capsys):
    assert main(["--root", str(broken)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('catalog/papers/siskin.yaml:5:8: venue: found "j%b, 1:2", expected an id')
    assert lines[1] == "  field-value · python -m tools.check_catalog --explain field-value"
    assert lines[-1] == "1 error in 1 file; --fix mends what can be mended without knowing more"


def test_json_is_a_list_of_problems_with_all_their_parts(broken, capsys):
    assert main(["--root", str(broken), "--format", "json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)
    assert (problem["path"], problem["line"], problem["column"], problem["field"], problem["rule"]) == (
        "catalog/papers/siskin.yaml", 5, 8, "venue", "field-value",
    )  # fmt: skip


def test_json_of_a_valid_catalog_is_an_empty_list(tree, capsys):
    assert main(["--root", str(tree), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_github_annotations_escape_what_the_runner_would_read_as_its_own(broken, capsys):
    assert main(["--root", str(broken), "--format", "github"]) == 1
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith("::error file=catalog/papers/siskin.yaml,line=5,col=8,title=field-value::venue: found")
    assert '"j%25b, 1:2"' in line


def test_explain_prints_level_what_why_how_and_what_fix_does(capsys):
    assert main(["--explain", "link-https"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("link-https (error)\n")
    assert "Write https, or add `https: false`" in told
    assert told.endswith("--fix writes https where another address of the catalog shows that the host has it.\n")


def test_warnings_and_notes_are_told_and_leave_the_catalog_valid(tree, capsys):
    file = tree / "catalog" / "papers" / "siskin.yaml"
    text = file.read_text(encoding="utf-8").replace("Siskin: Comparing Feathers in Pairs", "COMPARING FEATHERS IN PAIRS")
    file.write_text(text.replace("[Carla Zeisig]", "[Adafalk]"), encoding="utf-8")
    assert main(["--root", str(tree)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("catalog/papers/siskin.yaml:1:8: warning: title: found capitals alone")
    assert lines[2].startswith("catalog/papers/siskin.yaml:3:11: note: authors[0]: kestrel spells the name")
    assert lines[-1].startswith("The catalog is valid: 2 papers")
    assert lines[-1].endswith("2 results. 1 warning, 1 note.")
    assert main(["--root", str(tree), "--format", "github"]) == 0
    annotated = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[0] for line in annotated[:2]] == ["::warning", "::notice"]
    assert main(["--root", str(tree), "--format", "json"]) == 0
    assert [problem["level"] for problem in json.loads(capsys.readouterr().out)] == ["warning", "note"]


def test_an_unknown_rule_is_wrong_usage_and_suggests_the_nearest(capsys):
    assert main(["--explain", "link-http"]) == 2
    assert 'did you mean "link-https"?' in capsys.readouterr().err


def test_a_missing_manifest_is_a_problem_and_no_traceback(tree, capsys):
    (tree / "catalog.yaml").unlink()
    assert main(["--root", str(tree)]) == 1
    assert "catalog.yaml:1:1: found something that can't be read (No such file or directory)" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["tools/check_catalog.py"], ["-m", "tools.check_catalog"]])
def test_the_command_runs_as_a_file_and_as_a_module_on_the_real_catalog(command):
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The catalog is valid: ")


def test_wrong_usage_ends_with_exit_code_2():
    with pytest.raises(SystemExit) as ended:
        main(["--format", "xml"])
    assert ended.value.code == 2
