"""Writes the first files of an implementation: a method that runs as plain fine-tuning, an ablation, and a test that fails until
it is more.

The catalog's entry isn't touched. It names the file once the method is written, and what isn't written counts nowhere until then.
"""

from __future__ import annotations

import keyword
import re
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jinja2

from tools.adding.record import Refusal
from tools.normalize import replace
from tools.reading import Refused, read
from tools.schema import ID_PATTERN

TEMPLATES = Path(__file__).parent / "templates"
LINE = 126
"""Of a docstring: four characters are its quotes'."""
LONGEST_ID = 60
LONGEST_NAME = 40
"""Of a class: with the longest id, its import still stands on one line."""
WORDS = "ABLATIONS CLASS Classes Cosine F FILES MEAN Method PAPER Path Plain Recipe STD Tensor Terms ViT".split()
TAKEN = {*WORDS, *keyword.kwlist}
"""What in these files is something else."""


def scaffold(root: Path, entry_id: str, entry: Mapping[str, Any]) -> list[Path]:
    """Writes the implementation's file, its test and its ablations below `root`, all or none, and returns their paths.

    Raises Refusal where a file stands in the way, where the id can't be a module's name, or where they can't be written.
    """
    files = planned(root, entry_id)
    told = _told(root, entry_id, entry)
    with ExitStack() as undo:
        for template, file in files.items():
            _write(file, _environment().get_template(template).render(told), root)
            undo.callback(file.unlink)
        undo.pop_all()
    return list(files.values())


def planned(root: Path, entry_id: str) -> dict[str, Path]:
    """The files that would be written, each by its template. Raises Refusal as `scaffold` does, and writes nothing."""
    module = module_name(entry_id)
    files = {
        "method.py.j2": root / "implementations" / f"{module}.py",
        "test.py.j2": root / "tests" / "implementations" / f"test_{module}.py",
        "ablations.py.j2": root / "implementations" / "ablations" / f"{module}.py",
    }
    refuse_what_stands_there([*files.values(), root / "implementations" / module], root)
    return files


def _write(file: Path, text: str, root: Path) -> None:
    try:
        replace(file, text)
    except OSError as error:
        raise Refusal(f"{file.relative_to(root)} can't be written ({error.strerror}); nothing was written") from None


def module_name(entry_id: str) -> str:
    """The id with underscores. Raises Refusal where no module can be called so."""
    module = entry_id.replace("-", "_")
    if not re.fullmatch(ID_PATTERN, entry_id):
        why = "isn't one: expected lower-case words joined by hyphens"
    elif entry_id[0].isdigit():
        why = "begins with a digit, as no Python module can"
    elif keyword.iskeyword(module):
        why = "is a word of Python's own, which no module can be called"
    elif len(entry_id) > LONGEST_ID:
        why = f"has {len(entry_id)} characters, expected at most {LONGEST_ID}"
    else:
        return module
    raise Refusal(f'the id "{entry_id}" {why}; give the paper another one with --id, and the file will be called after it')


def refuse_what_stands_there(paths: Sequence[Path], root: Path) -> None:
    """Raises Refusal where one of the paths exists."""
    for path in paths:
        if path.exists() or path.is_symlink():
            raise Refusal(
                f"{path.relative_to(root)} is there already, and nothing was written; "
                "remove it to start anew, or give the paper another id with --id"
            )


def class_name(entry_id: str, name: str | None) -> str:
    """The paper's name as a class is called (RAMS-Trans is RAMSTrans), or its id so where that is no class's name.

    pytest takes a class that is called Test… for tests.
    """
    for words in (name or "", entry_id):
        plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
        joined = "".join(word[0].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", plain))
        if re.fullmatch(rf"(?!Test)[A-Z]\w{{0,{LONGEST_NAME - 1}}}", joined) and joined not in TAKEN:
            return joined
    return f"Paper{joined}"[:LONGEST_NAME]


def _told(root: Path, entry_id: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """What the templates are told."""
    name = entry.get("name")
    called = f"{name}, {entry['title']}" if name and not entry["title"].startswith(name) else entry["title"]
    ids = [f"{kind} {value}" for kind, value in (entry.get("ids") or {}).items()]
    idea = "The idea is to be written: the problem, what the paper does about it, and what of that is left at test time."
    so_far = "So far this file is plain fine-tuning, and its own test fails."
    heading = _docstring(f"To be written: {called} ({_cited(root, entry)}).")
    about = _docstring(" ".join([*([f"Ids: {', '.join(ids)}."] if ids else []), idea, so_far]))
    return {
        "id": entry_id,
        "module": module_name(entry_id),
        "name": class_name(entry_id, name),
        "family": "vit" if "transformer" in (entry.get("approaches") or ()) else "cnn",
        "heading": heading,
        "about": about,
        "quotes": 'r"""' if "\\" in heading + about else '"""',
    }


def _cited(root: Path, entry: Mapping[str, Any]) -> str:
    """Authors, venue and year, as people cite: He et al., AAAI 2022."""
    authors = entry.get("authors") or []
    surnames = [author.split()[-1] for author in authors[:2] if author.split()]
    who = f"{surnames[0]} et al." if len(authors) > 2 and surnames else " and ".join(surnames)
    where = " ".join(str(part) for part in (_venue(root, entry.get("venue")), entry.get("year")) if part)
    return ", ".join(part for part in (who, where) if part)


def _venue(root: Path, venue: str | None) -> str | None:
    """A venue's short name, or its id where the catalog doesn't tell one."""
    try:
        venues = read(root / "catalog.yaml", "catalog.yaml").data["venues"]
    except (Refused, KeyError):
        return venue
    return venues.get(venue, {}).get("short", venue)


def _docstring(text: str) -> str:
    """Text as a paragraph of a docstring, which it can't end, in lines that are short enough. A backslash asks for r'''…'''."""
    shown = "".join(character for character in " ".join(text.split()) if character.isprintable()).replace('"', "'")
    wide = any(unicodedata.east_asian_width(character) in "WF" for character in shown)
    return textwrap.fill(shown, LINE // 2 if wide else LINE, break_on_hyphens=False)


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Python, not HTML: `_docstring` says what may stand in it
    )
