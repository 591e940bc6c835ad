"""Mends what can be mended without knowing more than the file: ``python -m tools.check_catalog --fix``.

Each file by itself: its characters first, then values of a wrong type or form, as far as what was meant is plain, then addresses;
what is valid after that is written in normal form. A file that isn't valid even then is left as it is.
"""

from __future__ import annotations

import datetime
import difflib
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tools.canonical import arxiv_id, arxiv_page, characters, doi, host, https_twin
from tools.comments import Comments, read_comments
from tools.draft import Draft
from tools.normalize import write
from tools.number import Number
from tools.reading import PLAIN_NUMBER, Document, Refused, decode, from_text, read_bytes
from tools.schema import ARXIV_PATTERN, DOI_PATTERN, KINDS, TEXT_PATTERN

TRAILING_BLANKS = re.compile(r" +$", re.MULTILINE)


@dataclass(frozen=True)
class Fix:
    """A file as it is and as it would be."""

    file: Path
    name: str
    before: str
    after: str

    def diff(self) -> str:
        """What changes, as a unified diff."""
        lines = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), self.name, self.name, lineterm="")
        return "\n".join(lines)


def fixes(draft: Draft) -> Iterator[Fix]:
    """What would be mended, file by file; nothing is written."""
    hosts = _https_hosts(draft)
    for kind, ids in draft.ids.items():
        for entry_id in sorted(ids):
            name = f"catalog/{kind}/{entry_id}.yaml"
            try:
                raw = read_bytes(draft.root / name, name)
                before = decode(raw.removeprefix(BOM_UTF8), name)
                after = fixed(before, name, KINDS[kind], hosts)
            except Refused:
                continue
            before = raw.decode()
            if after not in (None, before):
                yield Fix(draft.root / name, name, before, after)


def fixed(text: str, name: str, model: type[BaseModel], https_hosts: Collection[str]) -> str | None:
    """An entry's file, mended and in normal form; None where it isn't valid even then. Raises Refused where it can't be read."""
    text = TRAILING_BLANKS.sub("", characters(text))
    document = from_text(text, name)
    data = _with_characters(document.data)
    for details in _errors(model, data):
        _mend(data, document, details)
    if _errors(model, data):
        return None
    _mend_addresses(data, https_hosts)
    return write(data, model, read_comments(document) if "#" in text else Comments())


def _errors(model: type[BaseModel], data: Any) -> list[dict[str, Any]]:
    try:
        model.model_validate(data)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _with_characters(data: Any) -> Any:
    """A copy, with `characters` in its texts: those that double quotes spell as escapes."""
    if isinstance(data, dict):
        return {key: _with_characters(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_with_characters(value) for value in data]
    return characters(data) if isinstance(data, str) else data


def _https_hosts(draft: Draft) -> set[str]:
    """The hosts that an address of the catalog shows to have https."""
    return {
        host(link.url)
        for _, _, entry in draft.all(*draft.entries)
        for link in (*(entry.links or ()), *(getattr(entry, "downloads", None) or ()))
        if link.url.startswith("https://")
    }


# -------------------------------------------------------------------------------------------------------- types and forms


def _mend(data: Any, document: Document, details: dict[str, Any]) -> None:
    """Puts what was plainly meant in the place of a value that its field can't take."""
    if not details["loc"] or (meant := _meant(document, details)) is None:
        return
    *parents, last = details["loc"]
    for step in parents:
        data = data[step]
    if isinstance(data, list) or (isinstance(data, dict) and last in data):  # else a key is wrong, and the location no place
        data[last] = meant


def _meant(document: Document, details: dict[str, Any]) -> Any:
    value, raw = details["input"], document.raw(details["loc"])
    if details["type"] == "string_pattern_mismatch":
        return FORMS.get(details["ctx"]["pattern"], lambda text: None)(value)
    if details["type"] == "string_type":  # YAML took 2003.05230 for a number, and dropped its last zero
        return raw if isinstance(value, bool | int | float | datetime.date) else None
    if not isinstance(value, str):
        return None
    return UNQUOTED.get(details["type"], lambda text: None)(value)


FORMS: dict[str, Callable[[str], str | None]] = {
    ARXIV_PATTERN: arxiv_id,
    DOI_PATTERN: doi,
    TEXT_PATTERN: lambda text: " ".join(text.split()) or None,
}
"""What was meant by a text of another form, by the pattern that it misses."""


def _number(text: str) -> float | None:
    return Number.of(float(text), text) if PLAIN_NUMBER.fullmatch(text) else _whole(text)


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,9}", text) else None


def _date(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None


UNQUOTED: dict[str, Callable[[str], Any]] = {
    "int_type": _whole,
    "float_type": _number,
    "date_type": _date,
    "bool_type": {"true": True, "false": False}.get,
}
"""What was meant by a text in quotes where none was expected, by the kind of error."""


# -------------------------------------------------------------------------------------------------------------- addresses


def _mend_addresses(data: dict[str, Any], https_hosts: Collection[str]) -> None:
    """Addresses of arXiv's lead to the abstract page, http ones to their https twins; no two of an entry come to be the same."""
    links = [*data.get("links", ()), *data.get("downloads", ())]
    taken = {link["url"] for link in links}
    for link in links:
        url = https_twin(link["url"], https_hosts) or link["url"]
        url = arxiv_page(url) or url
        if link.get("https") is not False and url not in taken:
            link["url"] = url
            taken.add(url)
