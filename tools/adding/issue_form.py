"""Makes an entry of an issue that was written with the form "Add a paper".

    ISSUE_BODY="…" python -m tools.adding.issue_form    writes build/issue: message.txt, what was said, and, where one came of it,
                                                        catalog/papers/<id>.yaml, the entry

The issue's text is a stranger's: it comes by the environment, is taken apart here, and goes on as a list of arguments. It names
a paper by id, address or BibTeX, but no file of this machine. Exit code 0 whether or not an entry came of it; message.txt tells.
What fails here, or before (a module that is missing, a text too long for the environment), .ci/add-paper-failed answers.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.add_paper import main as command
from tools.adding.record import Refusal
from tools.canonical import arxiv_id, doi
from tools.schema import DOI_PATTERN, ID_PATTERN

FORM = Path(".github/ISSUE_TEMPLATE/add-paper.yml")
FOLDER = Path("build/issue")
PAPERS = Path("catalog/papers")
LONGEST_BODY = 70_000
"""In characters; GitHub takes no issue of more than 65,536."""
MOST_RESULTS = 50

OPTIONS = {"id": "--id", "code": "--code", "summary": "--summary", "no-results": "--no-results"}
LISTS = {"approaches": ("--approach", ","), "mechanisms": ("--mechanism", ","), "results": ("--result", "\n")}
"""Fields with several values: the option of each, and what stands between them."""
BY_BIBTEX = "what a BibTeX entry in the form's first field can say; where it can't, a maintainer has to"
ELSEWHERE = {
    "--update": "not for the form, which only adds entries; what one lacks is added to its file by a pull request",
    "--venue": BY_BIBTEX,
    "--year": BY_BIBTEX,
    "--same-paper": "for a maintainer to say",
    "--offline": "not for the form, which looks every paper up; edit the issue later, and it is tried again",
}
"""Options that the form has no field for, and what to do instead."""
OPTION = re.compile(r"--[a-z]+(?:-[a-z]+)*")
USAGE = re.compile(r"^usage: .*\n(?:[ \t].*\n)*(?:.*?: error: )?", re.MULTILINE)
TOOL_FAILED = "the tool failed on this; a maintainer has to look"
NOTHING = {"", "_No response_", "None"}
FENCED = re.compile(r"(?P<fence>`{3,})[^\n`]*\n(?P<text>.*?)\n?(?P=fence)", re.DOTALL)
BIBTEX = re.compile(r"@\s*\w+\s*[{(]")
ADDRESS = re.compile(r"https?://\S+")

Add = Callable[[list[str]], int]
"""The command: arguments to exit code."""


@dataclass(frozen=True)
class Asked:
    """What an issue asks for: a paper, by id, address or BibTeX, and options of the command."""

    paper: str
    options: tuple[str, ...]

    @property
    def bibtex(self) -> bool:
        """Whether the paper is given as BibTeX."""
        return BIBTEX.search(self.paper) is not None


def main(add: Add | None = None) -> int:
    """Reads the environment, works below the current folder; returns the exit code."""
    run(os.environ.get("ISSUE_BODY", ""), Path.cwd(), add or add_paper)
    print(f"{FOLDER} has what came of the issue")
    return 0


def add_paper(arguments: list[str]) -> int:
    """The command; 2 where it takes the arguments for wrong usage."""
    try:
        return command(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1


def run(body: str, root: Path, add: Add) -> None:
    """Writes what came of an issue: `FOLDER`, anew."""
    folder = root / FOLDER
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    known = labels(root)
    try:
        said, entry = _entry(parse(body, known), root, add)
    except Refusal as refusal:
        said, entry = in_the_forms_words(str(refusal), known), None
    (folder / "message.txt").write_text(said, encoding="utf-8")
    if entry:
        (folder / PAPERS).mkdir(parents=True)
        shutil.copyfile(entry, folder / PAPERS / entry.name)


def in_the_forms_words(said: str, labels: Mapping[str, str]) -> str:
    """What the command said, without its usage, and before it what each option that it speaks of is in the form."""
    options = OPTIONS | {field: option for field, (option, _) in LISTS.items()}
    known = {option: f'the field "{labels[field]}"' for field, option in options.items()} | ELSEWHERE
    said = USAGE.sub("", said)
    spoken_of = set(OPTION.findall(said))
    lines = [f"{option} is {what}" for option, what in known.items() if option in spoken_of]
    return "\n".join(["In the form:", *lines, "", said]) if lines else said


def labels(root: Path) -> dict[str, str]:
    """The form's fields, in order: id and label."""
    form = yaml.safe_load((root / FORM).read_text(encoding="utf-8"))
    return {item["id"]: item["attributes"]["label"] for item in form["body"] if "id" in item}


def parse(body: str, labels: Mapping[str, str]) -> Asked:
    """What an issue's text asks for. Raises Refusal where it isn't the form's, or doesn't name a paper."""
    if len(body) > LONGEST_BODY:
        raise Refusal(f"the issue has {len(body):,} characters, expected at most {LONGEST_BODY:,}")
    if any("\ud800" <= character <= "\udfff" for character in body):  # what Python makes of bytes that aren't UTF-8
        raise Refusal("the issue's text isn't UTF-8")
    found = fields(body, labels)
    _refuse_without_consent(found["consent"])
    _refuse_a_wrong_id(found["id"], labels["id"])
    options = [f"{option}={' '.join(found[field].split())}" for field, option in OPTIONS.items() if found[field]]
    for field, (option, between) in LISTS.items():
        values = [value.strip() for value in found[field].split(between) if value.strip()]
        options += [f"{option}={value}" for value in values]
        if len(values) > MOST_RESULTS:
            raise Refusal(f"{labels[field]}: found {len(values)} lines, expected at most {MOST_RESULTS}")
    return Asked(_paper(found["paper"], labels["paper"]), tuple(options))


def fields(body: str, labels: Mapping[str, str]) -> dict[str, str]:
    """The text of each field of the form; empty where nothing was written. Raises Refusal where fields can't be told apart."""
    lines = re.split(r"\r\n|\r|\n", body)
    at = {field: [number for number, line in enumerate(lines) if line.rstrip() == f"### {labels[field]}"] for field in labels}
    for field, found in at.items():
        if len(found) != 1:
            often = "stands more than once" if found else "is missing"
            raise Refusal(
                f'the line "### {labels[field]}" {often} in the issue. It heads a field of the form: write the issue with the '
                "form, and none of the form's headings into a field"
            )
    starts = [found[0] for found in at.values()]
    if starts != sorted(starts):
        raise Refusal("the form's headings don't stand in the form's order; write the issue with the form")
    ends = [*starts[1:], len(lines)]
    return {field: _plain(lines[start + 1 : end]) for field, start, end in zip(at, starts, ends, strict=True)}


def _plain(lines: list[str]) -> str:
    """A field's text, without the fence that the form puts around some."""
    text = "\n".join(lines).strip()
    fenced = FENCED.fullmatch(text)
    text = fenced["text"].strip() if fenced else text
    return "" if text in NOTHING else text


def _refuse_without_consent(consent: str) -> None:
    boxes = re.findall(r"^- \[(.)\] ", consent, re.MULTILINE)
    if not boxes or any(box not in "xX" for box in boxes):
        raise Refusal("the form's last box isn't ticked; an entry can be published only if you agree to what it says")


def _refuse_a_wrong_id(entry_id: str, label: str) -> None:
    """The command makes a file's name of it."""
    if entry_id and not re.fullmatch(ID_PATTERN, entry_id):
        raise Refusal(f'{label}: found "{entry_id[:200]}", expected lower-case words joined by hyphens, such as api-net')


def _paper(text: str, label: str) -> str:
    """What names the paper. Raises Refusal for anything but BibTeX, an id or an address: a file's name, an option, a hyphen."""
    if BIBTEX.search(text) or arxiv_id(text) or re.fullmatch(DOI_PATTERN, doi(text)) or ADDRESS.fullmatch(text):
        return text
    shown = " ".join(text.split())[:200]
    found = f'found "{shown}"' if text else "found nothing"
    raise Refusal(f"{label}: {found}, expected one arXiv id (2103.07976), DOI (10.1609/aaai.v36i1.19967), address or BibTeX")


def _entry(asked: Asked, root: Path, add: Add) -> tuple[str, Path]:
    """Runs the command: what it said, and the entry's file. Raises Refusal where it wrote none, or did something else."""
    source = asked.paper
    if asked.bibtex:
        source = str(root / FOLDER.parent / "issue.bib")
        Path(source).write_text(asked.paper + "\n", encoding="utf-8")
    before = _papers(root)
    code, said = _outcome(add, [*asked.options, "--root", str(root), "--", source])
    said = said.replace(f"{root}/", "")
    if code != 0:
        raise Refusal(said)
    after = _papers(root)
    new = sorted(after.keys() - before.keys())
    if len(new) != 1 or any(after.get(file) != text for file, text in before.items()):
        raise Refusal(f"an issue is for one new entry, and this would make {len(new)} or change others:\n{said}")
    return said, new[0]


def _outcome(add: Add, arguments: list[str]) -> tuple[int, str]:
    """The command's exit code and all it printed. Raises Refusal where it breaks; how it did so is for the job's log alone."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            return add(arguments), printed.getvalue()
    except Exception:  # noqa: BLE001 - whatever it is, it mustn't leave the issue without an answer
        traceback.print_exc()
        raise Refusal(TOOL_FAILED) from None


def _papers(root: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in (root / PAPERS).glob("*.yaml")}


if __name__ == "__main__":
    sys.exit(main())
