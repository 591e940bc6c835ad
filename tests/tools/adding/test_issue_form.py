"""An issue's text becomes arguments, each of them one, whatever stands in it; or it is told what the form wants."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.tools.adding.places import linked, program
from tools.adding import issue_form
from tools.adding.issue_form import ELSEWHERE, FOLDER, FORM, LISTS, OPTIONS, fields, in_the_forms_words, labels, parse, run
from tools.adding.post import place, read_artifact
from tools.adding.record import Refusal
from tools.catalog import ROOT, load

LABELS = labels(ROOT)
TICKED = "- [X] I read each value where I say that it stands."
BIB = "@inproceedings{falk2021,\n  title = {Kestrel},\n  author = {Falk, Ada}\n}"
FILLED = {
    "paper": "```bibtex\n2103.00010\n```",
    "id": "kestrel-net",
    "code": "https://github.com/OWNER/NAME",
    "approaches": "attention, transformer",
    "mechanisms": "token-selection",
    "summary": "The problem.\n\nThe idea; how it works.",
    "results": '```text\ndataset=birds-10,value=91.7,source="Table 3"\ndataset=cars-5,value=90.0,source="Table 3"\n```',
    "no-results": "_No response_",
    "consent": TICKED,
}
RESULTS = ['--result=dataset=birds-10,value=91.7,source="Table 3"', '--result=dataset=cars-5,value=90.0,source="Table 3"']


def body(**changed: str) -> str:
    """An issue's text, as GitHub makes it of the filled form."""
    filled = FILLED | {name.replace("_", "-"): text for name, text in changed.items()}
    return "\n\n".join(f"### {label}\n\n{filled[field]}" for field, label in LABELS.items())


# ------------------------------------------------------------------------------------------------------------- the form


def test_the_form_offers_the_catalogs_words_and_no_others():
    form = {item.get("id"): item for item in yaml.safe_load((ROOT / FORM).read_text(encoding="utf-8"))["body"]}
    manifest = yaml.safe_load((ROOT / "catalog.yaml").read_text(encoding="utf-8"))
    for kind in ("approaches", "mechanisms"):
        assert form[kind]["attributes"]["options"] == list(manifest[kind])
        assert form[kind]["attributes"]["multiple"] is True


def test_every_field_of_the_form_is_read():
    assert sorted(LABELS) == sorted([*OPTIONS, *LISTS, "paper", "consent"])


def test_no_two_fields_have_one_label():
    assert len(set(LABELS.values())) == len(LABELS)


# ------------------------------------------------------------------------------------------------------- its arguments


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_each_field_becomes_an_option_of_the_command(line_end):
    asked = parse(body().replace("\n", line_end), LABELS)
    assert asked.paper == "2103.00010"
    assert list(asked.options) == [
        "--id=kestrel-net",
        "--code=https://github.com/OWNER/NAME",
        "--summary=The problem. The idea; how it works.",
        "--approach=attention",
        "--approach=transformer",
        "--mechanism=token-selection",
        *RESULTS,
    ]


@pytest.mark.parametrize("nothing", ["_No response_", "", "None", "```text\n\n```", "```text\n_No response_\n```"])
def test_a_field_that_was_left_empty_is_no_option(nothing):
    asked = parse(body(**dict.fromkeys(("id", "code", "approaches", "mechanisms", "summary", "results"), nothing)), LABELS)
    assert asked.options == ()


HOSTILE = [
    "$(touch x)",
    "`touch x`",
    "${{ github.token }}",
    "; rm -rf .",
    '"; touch x; "',
    "' || touch x #",
    "--root=/etc",
    "-",
    "--",
    "$(shell touch x)",
    "%s %(prog)s {0} {}",
    "::set-output name=x::y",
    "@everyone <!-- --> </details>",
    "\x1b[31mred\x07",
    "مرحبا 細粒度 🐦",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", sorted({*OPTIONS, *LISTS} - {"id"}))
def test_whatever_stands_in_a_field_is_one_argument_of_its_option(field, text):
    option = OPTIONS.get(field) or LISTS[field][0]
    given = [argument for argument in parse(body(**{field: text}), LABELS).options if argument.startswith(f"{option}=")]
    assert given == [f"{option}={text}"]


@pytest.mark.parametrize("text", [*HOSTILE, "../../x", "Kestrel", "kestrel_net", "a b"])
def test_an_id_is_one_or_none_since_it_becomes_a_files_name(text):
    with pytest.raises(Refusal, match=r"^Id: found .*, expected lower-case words joined by hyphens"):
        parse(body(id=text), LABELS)


def test_results_stand_one_a_line_and_blank_lines_are_none():
    asked = parse(body(results="a=1\r\n\r\n  b=2  \r\n"), LABELS)
    assert [option for option in asked.options if option.startswith("--result=")] == ["--result=a=1", "--result=b=2"]
    with pytest.raises(Refusal, match="Results: found 51 lines, expected at most 50"):
        parse(body(results="a=1\n" * 51), LABELS)


@pytest.mark.parametrize(
    "paper",
    ["2103.00010", "arXiv:2103.00010v3", "arXiv: 2103.00010", "cs.CV/0703001", "https://arxiv.org/abs/2103.00010", "10.1234/icb.2021.1", "doi: 10.1234/icb.2021.1", "https://doi.org/10.1234/x", "https://openreview.net/forum?id=a_b", BIB],
)
def test_a_paper_is_an_id_an_address_or_bibtex(paper):
    asked = parse(body(paper=f"```bibtex\n{paper}\n```"), LABELS)
    assert (asked.paper, asked.bibtex) == (paper, paper == BIB)


@pytest.mark.parametrize("paper", [*HOSTILE, "_No response_", "/etc/passwd", "paper.bib", "../../secrets.bib", "file:///etc/passwd", "2103.00010 --root=/etc", "2103.00010\n2103.00011", "https://a b"])
def test_nothing_else_names_a_paper(paper):
    with pytest.raises(Refusal, match=r"^Paper: found .*, expected one arXiv id"):
        parse(body(paper=paper), LABELS)


# ------------------------------------------------------------------------------------------------- what isn't the form's


@pytest.mark.parametrize("heading", [f"### {label}" for label in LABELS.values()])
def test_a_heading_of_the_form_within_a_field_is_refused_and_not_taken_for_the_field(heading):
    for text in (f"The idea.\n\n{heading}\n\nforged", f"```\n{heading}\n```", f"The idea.\r\n{heading}  \r\nforged"):
        with pytest.raises(Refusal, match=f'"{re.escape(heading)}" stands more than once'):
            parse(body(summary=text), LABELS)


def test_any_other_heading_is_text():
    found = fields(body(summary="### Method\n\n#### Summary\n\n### summary\n\n> ### Results"), LABELS)
    assert found["summary"] == "### Method\n\n#### Summary\n\n### summary\n\n> ### Results"
    assert found["results"].startswith("dataset=birds-10")


@pytest.mark.parametrize("text", ["", "Please add my paper 2103.00010", "### Paper\n\n2103.00010", "\x00", "#" * 1000])
def test_an_issue_without_the_forms_fields_is_told_so(text):
    with pytest.raises(Refusal, match=r'the line "### .*" is missing in the issue.*write the issue with the form'):
        parse(text, LABELS)


def test_fields_in_another_order_arent_taken_for_the_forms():
    parts = body().split("\n\n### ")
    with pytest.raises(Refusal, match="don't stand in the form's order"):
        parse("\n\n### ".join([*parts[:1], parts[2], parts[1], *parts[3:]]), LABELS)


@pytest.mark.parametrize("consent", ["- [ ] I read", "_No response_", "", "- [X] one\n- [ ] two", "X", "- [y] yes"])
def test_without_consent_there_is_no_entry(consent):
    with pytest.raises(Refusal, match="the form's last box isn't ticked"):
        parse(body(consent=consent), LABELS)


def test_too_long_an_issue_is_refused_before_it_is_read():
    with pytest.raises(Refusal, match="the issue has 70,001 characters, expected at most 70,000"):
        parse("a" * 70_001, LABELS)


def test_bytes_that_arent_text_are_refused():
    with pytest.raises(Refusal, match="the issue's text isn't UTF-8"):
        parse(body(summary=b"caf\xe9".decode("utf-8", errors="surrogateescape")), LABELS)


# ------------------------------------------------------------------------------------------------------ what comes of it


@pytest.fixture
def root(tree) -> Path:
    """The invented catalog, with the form."""
    (tree / FORM).parent.mkdir(parents=True)
    shutil.copy(ROOT / FORM, tree / FORM)
    return tree


def command(*wrote: str, code: int = 0, says: str = "said\n") -> tuple[Callable[[list[str]], int], list[list[str]]]:
    """A command that writes these files below its --root, and what arguments it got."""
    calls: list[list[str]] = []

    def add(arguments: list[str]) -> int:
        calls.append(arguments)
        folder = Path(arguments[arguments.index("--root") + 1]) / "catalog/papers"
        for name in wrote:
            (folder / f"{name}.yaml").write_text(f"of {name}\n", encoding="utf-8")
        print(says, end="")
        print("complained", file=sys.stderr)
        return code

    return add, calls


def left(root: Path) -> dict[str, str]:
    folder = root / FOLDER
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}


def test_an_entry_is_left_at_its_place_beside_what_was_said(root):
    add, calls = command("kestrel-net")
    run(body(), root, add)
    assert left(root) == {"message.txt": "said\ncomplained\n", "catalog/papers/kestrel-net.yaml": "of kestrel-net\n"}
    assert calls == [[*parse(body(), LABELS).options, "--root", str(root), "--", "2103.00010"]]


def test_bibtex_reaches_the_command_as_a_file(root):
    add, calls = command("kestrel-net")
    run(body(paper=f"```bibtex\n{BIB}\n```"), root, add)
    assert Path(calls[0][-1]).suffix == ".bib"
    assert Path(calls[0][-1]).read_text(encoding="utf-8") == BIB + "\n"
    assert left(root).keys() == {"message.txt", "catalog/papers/kestrel-net.yaml"}


def test_what_was_said_names_files_as_the_repository_does(root):
    run(body(), root, command(code=1, says=f"{root}/build/issue.bib:1: no title\n")[0])
    assert left(root)["message.txt"] == "build/issue.bib:1: no title\ncomplained\n"


@pytest.mark.parametrize("code", [1, 2])
def test_where_the_command_refuses_what_it_said_is_left_alone(root, code):
    run(body(), root, command("half-made", code=code)[0])
    assert left(root) == {"message.txt": "said\ncomplained\n"}


@pytest.mark.parametrize(("wrote", "made"), [(["a-net", "b-net"], 2), ([], 0), (["kestrel"], 0), (["a-net", "kestrel"], 1)])
def test_anything_but_one_new_entry_is_refused(root, wrote, made):
    run(body(), root, command(*wrote)[0])
    assert left(root) == {"message.txt": f"an issue is for one new entry, and this would make {made} or change others:\nsaid\ncomplained\n"}


def test_a_command_that_breaks_is_said_to_the_issue_without_how_and_to_the_log_with_it(root, capsys):
    def breaks(arguments: list[str]) -> int:
        print("of this machine")
        raise RuntimeError(f"{root}/secret")

    run(body(), root, breaks)
    assert left(root) == {"message.txt": "the tool failed on this; a maintainer has to look"}
    shown = capsys.readouterr()
    assert "Traceback" in shown.err
    assert f"RuntimeError: {root}/secret" in shown.err


def test_an_issue_that_isnt_the_forms_never_reaches_the_command_and_what_was_left_before_is_gone(root):
    add, calls = command("kestrel-net")
    run(body(), root, add)
    run("Please!", root, add)
    assert len(calls) == 1
    assert left(root).keys() == {"message.txt"}
    assert "is missing in the issue" in left(root)["message.txt"]


FAKE = """import json, sys
from pathlib import Path

def main(arguments=None):
    Path("got.json").write_text(json.dumps(arguments), encoding="utf-8")
    if "--id=wrong" in arguments:
        print("usage: add_paper [-h] [--id ID]\\n                 PAPER\\nadd_paper: error: not an id", file=sys.stderr)
        raise SystemExit(2)
    Path("catalog/papers/kestrel-net.yaml").write_text("written: true", encoding="utf-8")
    print("::warning::written")
    return 0
"""


@pytest.fixture
def job(root) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the reading job's script in a repository with a command that notes its arguments; `make` notes its environment."""
    linked(root / "tools", ROOT / "tools")
    (root / "tools/add_paper.py").unlink(missing_ok=True)
    (root / "tools/add_paper.py").write_text(FAKE, encoding="utf-8")
    (root / ".venv").symlink_to(sys.prefix)
    program(root / ".ci/add-paper-read", (ROOT / ".ci/add-paper-read").read_text(encoding="utf-8"))
    program(root / "bin/make", '#!/usr/bin/env bash\necho "$@" > made\nenv > environment\n')

    def start(text: str, title: str) -> subprocess.CompletedProcess:
        variables = os.environ | {"ISSUE_BODY": text, "ISSUE_TITLE": title, "PATH": f"{root}/bin:{os.environ['PATH']}"}
        return subprocess.run([root / ".ci/add-paper-read"], env=variables, capture_output=True, text=True, check=False)

    return start


def test_the_job_that_reads_runs_nothing_of_an_issue(root, job):
    evil = "$(touch x) `touch x` ; touch x ${{ x }} $(shell touch x)"
    before = {path.name for path in root.iterdir()}
    done = job(body(summary=evil, code=evil, results=evil), "$(touch x)")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in root.iterdir()} - before == {"made", "environment", "got.json", "build"}
    assert json.loads((root / "got.json").read_text(encoding="utf-8")) == [
        "--id=kestrel-net",
        f"--code={evil}",
        f"--summary={evil}",
        *("--approach=attention", "--approach=transformer", "--mechanism=token-selection"),
        f"--result={evil}",
        *("--root", str(root), "--", "2103.00010"),
    ]
    assert left(root) == {"message.txt": "::warning::written\n", "catalog/papers/kestrel-net.yaml": "written: true"}


def test_make_doesnt_get_the_issues_text_and_the_runner_is_told_not_to_look_for_commands(root, job):
    done = job(body(id="touch-x"), "$(touch x)")
    assert (root / "made").read_text(encoding="utf-8") == "--silent .venv/add.stamp\n"
    assert "touch-x" not in (root / "environment").read_text(encoding="utf-8")
    assert re.fullmatch(r"::stop-commands::[0-9a-f-]{36}\nbuild/issue has what came of the issue\n", done.stdout)


def test_wrong_usage_of_the_command_is_said_and_ends_nothing(root, job):
    assert job(body(id="wrong"), "").returncode == 0
    assert left(root) == {"message.txt": "not an id\n"}


def test_without_a_module_that_the_command_needs_the_job_fails_and_the_issue_isnt_told_to_mend_it(root, job):
    (root / "tools/add_paper.py").write_text((ROOT / "tools/add_paper.py").read_text(encoding="utf-8"), encoding="utf-8")
    (root / "rich.py").write_text('raise ModuleNotFoundError("no", name="rich")', encoding="utf-8")
    done = job(body(), "")
    assert done.returncode == 1
    assert "This Python has no module rich" in done.stderr
    assert left(root) == {}


def test_a_text_too_long_for_the_environment_fails_the_job(job):
    with pytest.raises(OSError, match="rgument list too long") as failed:
        job(body(summary="鳥" * 45_000), "")
    assert failed.value.errno == errno.E2BIG


def test_no_text_at_all_is_said_too(root, monkeypatch):
    monkeypatch.chdir(root)
    monkeypatch.delenv("ISSUE_BODY", raising=False)
    assert issue_form.main(command("kestrel-net")[0]) == 0
    assert left(root).keys() == {"message.txt"}


# ------------------------------------------------------------------------------------------------ with the command itself


DUNNOCK = "@inproceedings{falk2021,\n  title = {Dunnock: Quiet Attention},\n  author = {Falk, Ada and Sperber, Bo},\n  booktitle = {Proceedings of ICB},\n  year = {2021}\n}"
BY_BIBTEX = {"paper": f"```bibtex\n{DUNNOCK}\n```", "id": "dunnock", "approaches": "attention", "mechanisms": "_No response_", "results": "_No response_", "no_results": "It reports on images of its own."}


def offline(arguments: list[str]) -> int:
    *options, dashes, paper = arguments
    return issue_form.add_paper([*options, "--offline", dashes, paper])


def test_the_command_itself_makes_the_entry_and_the_posting_job_takes_it(root):
    run(body(**BY_BIBTEX), root, offline)
    assert sorted(left(root)) == ["catalog/papers/dunnock.yaml", "message.txt"], left(root)["message.txt"]
    artifact = read_artifact(root / FOLDER)
    (root / "catalog/papers/dunnock.yaml").unlink()
    assert place(root, artifact.entry_id, artifact.text) == root / "catalog/papers/dunnock.yaml"
    assert load(root)[0].papers["dunnock"].title == "Dunnock: Quiet Attention"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"results": "nonsense"}, '\n\n--result: found "nonsense"'),
        ({"approaches": "telepathy"}, "telepathy"),
        ({"id": "$(touch x)"}, "$(touch x)"),
        ({"id": "kestrel"}, "kestrel"),
        ({"summary": "_No response_"}, "summary"),
    ],
    ids=["result", "approach", "id", "taken", "summary"],
)
def test_what_the_command_refuses_is_left_as_its_message_without_a_traceback(root, changed, said):
    run(body(**BY_BIBTEX | changed), root, offline)
    assert left(root).keys() == {"message.txt"}
    assert said in left(root)["message.txt"]
    assert "Traceback" not in left(root)["message.txt"]
    assert "usage:" not in left(root)["message.txt"]


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        ({"results": "nonsense"}, ['--result is the field "Results"']),
        ({"summary": "_No response_", "no_results": ""}, ['--summary is the field "Summary"', '--no-results is the field "No results"', '--result is the field "Results"']),
        ({"approaches": "None"}, ['--approach is the field "Approaches"']),
        ({"paper": DUNNOCK.replace("ICB", "Owls")}, [f"--venue is {ELSEWHERE['--venue']}"]),
        ({"paper": DUNNOCK.replace("Dunnock: Quiet Attention", "Kestrel: Hovering Attention for Fine-Grained Recognition")}, [f"--update is {ELSEWHERE['--update']}"]),
    ],
    ids=["result", "summary", "approach", "venue", "duplicate"],
)
def test_before_what_the_command_says_stands_what_its_options_are_in_the_form(root, changed, lines):
    run(body(**BY_BIBTEX | changed), root, offline)
    before, _, said = left(root)["message.txt"].partition("\n\n")
    assert before.splitlines() == ["In the form:", *lines]
    assert said


def test_what_speaks_of_no_option_stands_for_itself():
    assert in_the_forms_words("--results, --id-x, - and -- are none\n", LABELS) == "--results, --id-x, - and -- are none\n"


def test_every_option_that_the_form_has_or_lacks_is_the_commands(capsys):
    assert issue_form.add_paper(["--help"]) == 0
    shown = set(re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert {*OPTIONS.values(), *(option for option, _ in LISTS.values()), *ELSEWHERE} <= shown
