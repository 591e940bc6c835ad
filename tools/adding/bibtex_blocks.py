"""A BibTeX file's entries with their fields: abbreviations filled in, nothing decoded yet, nothing dropped in silence.

bibtexparser 2.1.0 finds the blocks. What it gets wrong, or keeps to itself, is mended or refused here: see `_mended`,
`_left_over` and `_value`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import bibtexparser
from bibtexparser.exceptions import ParserStateException
from bibtexparser.model import (
    Block,
    DuplicateBlockKeyBlock,
    DuplicateFieldKeyBlock,
    Entry,
    ImplicitComment,
    ParsingFailedBlock,
    String,
)

from tools.adding.record import Refusal

logging.getLogger("bibtexparser").addHandler(logging.NullHandler())

LARGEST, MOST_ENTRIES = 5_000_000, 5_000
"""In characters, also with all abbreviations filled in, and in entries: more than this is no list of references."""
LONGEST_STRING = 5_000
INHERITED = ("booktitle", "year", "date", "series", "volume", "number", "journal")
"""What an entry has from the proceedings that its crossref names, where it doesn't say it itself."""
TOKEN = re.compile(r"\s*(?:(?P<number>\d+)(?![^\s#])|(?P<name>[^\s{}\"#%'(),=\\]+)|(?P<open>[{\"]))")
PIECE_OF_ENTRY = re.compile(r"=\s*[{\"]|(?m:^)[ \t]*@\s*\w+\s*[{(]")
JOIN = re.compile(r"\s*#")
BRACE_OR_QUOTE = re.compile(r"(?<!\\)[{}\"]")


@dataclass
class Item:
    """One entry of a file."""

    line: int
    kind: str
    """inproceedings, article, misc, …"""
    key: str
    fields: dict[str, str]
    """By name in small letters; LaTeX as it stands, without the outer braces or quotes."""
    doubts: list[str] = field(default_factory=list)


def read_items(text: str, name: str) -> list[Item]:
    """The entries in order. Proceedings that are there for the papers in them alone (crossref) are none.

    Raises Refusal for a file that is too large, has no entry, or can't be read to its end.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > LARGEST:
        raise Refusal(f"{name}: found {len(text):,} characters, expected at most {LARGEST:,}; split the file")
    blocks = list(_blocks(text, name))
    entries = [block for block in blocks if isinstance(block, Entry)]
    if not entries:
        raise Refusal(f"{name}: found no entry, expected such as @inproceedings{{key, title = {{…}}, author = {{…}}}}")
    if len(entries) > MOST_ENTRIES:
        raise Refusal(f"{name}: found {len(entries):,} entries, expected at most {MOST_ENTRIES:,}; split the file")
    items = _items(entries, _abbreviations(blocks, name), name)
    _refuse_twins(items, name)
    return _with_parents(items)


def _blocks(text: str, name: str) -> Iterator[Block]:
    """All blocks, none of which failed."""
    try:
        blocks = bibtexparser.parse_string(_mended(text), parse_stack=[]).blocks
    except ParserStateException as error:
        raise Refusal(f"{name}: can't be read: {error.message}") from error
    for block in blocks:
        while isinstance(block, DuplicateBlockKeyBlock | DuplicateFieldKeyBlock):
            block = block.ignore_error_block  # put aside by bibtexparser; `_refuse_twins` and `_item` say better what is wrong
        if isinstance(block, ParsingFailedBlock):
            reason = re.sub(r"\s+$|\.$", "", getattr(block.error, "abort_reason", str(block.error)).strip())
            start = f'{name}:{block.start_line + 1}: can\'t read the entry that starts "{" ".join(block.raw.split())[:40]}"'
            raise Refusal(f"{start}: {reason[:1].lower()}{reason[1:]}; look for a missing brace, quote or comma")
        if isinstance(block, ImplicitComment):
            _left_over(block, name)
        yield block


def _mended(text: str) -> str:
    r"""The text, line by line the same, without what bibtexparser stumbles over.

    It takes any delimiter behind a backslash for text, also behind ``\\``, and swallows the next fields; so a blank is put
    between. It doesn't count a line that ends in a backslash, and takes an entry for a comment where the brace stands on the
    next line.
    """
    text = re.sub(r"(?<!\\)((?:\\\\)+)(?=[{}\",=])", r"\1 ", text)
    text = re.sub(r"\\(?=\n)", r"\\ ", text)
    return re.sub(r"(?m)^([ \t]*@\w+)([ \t]*\n\s*)([{(])", r"\1\3\2", text)


def _left_over(comment: ImplicitComment, name: str) -> None:
    """Refuses text between entries that is a piece of one: behind a brace too many, bibtexparser takes the rest for a comment."""
    text = re.sub(r"(?m)^[ \t]*%.*$", "", comment.comment)
    found = PIECE_OF_ENTRY.search(text)
    if found is None and text.count("{") != text.count("}"):
        found = re.search(r"[{}]", text)
    if found:
        line = comment.start_line + 1 + text[: found.start()].count("\n")
        what = text.split("\n")[line - comment.start_line - 1].strip()[:40]
        cure = 'look for a brace too many before it, or a missing "@"'
        raise Refusal(f'{name}:{line}: found "{what}" outside of any entry; {cure}')


def _abbreviations(blocks: list[Block], name: str) -> dict[str, str]:
    """What each @string stands for, by its name in small letters."""
    known: dict[str, str] = {}
    for block in blocks:
        if isinstance(block, String):
            where = f"{name}:{block.start_line + 1}"
            value, missing = _value(block.value, known, where, block.key)
            if len(value) > LONGEST_STRING:
                raise Refusal(
                    f'{where}: @string "{block.key}" has {len(value):,} characters, expected {LONGEST_STRING:,} at most'
                )
            if missing:
                raise Refusal(f'{where}: @string "{block.key}" needs "{missing[0]}", which no @string before it defines')
            if known.setdefault(block.key.lower(), value) != value:
                raise Refusal(f'{where}: a second @string "{block.key}" that says something else; keep one')
    return known


def _items(entries: list[Entry], strings: dict[str, str], name: str) -> list[Item]:
    items, total = [], 0
    for entry in entries:
        items.append(_item(entry, strings, name))
        total += sum(map(len, items[-1].fields.values()))
        if total > LARGEST:
            raise Refusal(
                f"{name}:{entry.start_line + 1}: with its abbreviations (@string), the file has over {LARGEST:,} characters"
            )
    return items


def _item(entry: Entry, strings: dict[str, str], name: str) -> Item:
    item = Item(entry.start_line + 1, entry.entry_type.lower(), entry.key, {})
    for one in entry.fields:
        where, key = f"{name}:{one.start_line + 1}", one.key.lower()
        if key in item.fields:
            raise Refusal(f'{where}: "{one.key}" stands twice in the entry "{entry.key}"; keep one')
        if not re.fullmatch(r"[^\s{}\",=#%]+", key):
            found = " ".join(one.key.split())[:40]
            raise Refusal(f'{where}: found "{found}", expected a field\'s name; look for a missing comma')
        item.fields[key], missing = _value(one.value, strings, where, one.key)
        if missing and key != "month":  # the styles, not the files, define the months
            item.doubts.append(f'{key} is left out: it needs "{missing[0]}", which no @string of the file defines')
            item.fields[key] = ""
    return item


def _value(written: str, strings: dict[str, str], where: str, field_name: str) -> tuple[str, list[str]]:
    """A field's text, put together from its parts (``acm # " " # 2021``), and the abbreviations in it that nobody defines.

    bibtexparser leaves the parts as they stand, and where a comma is missing it takes the next field for a piece of this one.
    """
    parts, missing, place, size = [], [], 0, 0
    while token := TOKEN.match(written, place):
        place = token.end()
        if token["open"]:
            place = _end(written, token.start("open")) + 1
            parts.append(written[token.end("open") : place - 1])
        else:
            part = token["number"] or strings.get(token["name"].lower())
            missing += [token["name"]] * (part is None)
            parts.append(part or "")
        size += len(parts[-1])
        joined = JOIN.match(written, place)
        if not joined or size > LARGEST:
            break
        place = joined.end()
    if not parts or written[place:].strip() or size > LARGEST:
        start = " ".join(written.split())[:40]
        problem = f"which starts {start}" if start else "which is empty"
        raise Refusal(f'{where}: can\'t read the value of "{field_name}", {problem}; look for a missing comma, quote or brace')
    return "".join(parts), missing


def _end(written: str, start: int) -> int:
    """Where the brace or quote that opens at `start` closes; the text's end where it doesn't."""
    depth = 0
    for found in BRACE_OR_QUOTE.finditer(written, start):
        depth += (found[0] == "{") - (found[0] == "}")
        closes = written[start] == "{" or found[0] == '"'
        if depth == 0 and closes and found.start() > start:
            return found.start()
    return len(written)


def _refuse_twins(items: list[Item], name: str) -> None:
    """Refuses two entries with one key: which one is meant, nobody can tell."""
    seen: dict[str, int] = {}
    for item in items:
        first = seen.setdefault(item.key.lower(), item.line)
        if item.key and first != item.line:
            message = f'the key "{item.key}" stands at line {first} already; remove one, or give it another key'
            raise Refusal(f"{name}:{item.line}: {message}")


def _with_parents(items: list[Item]) -> list[Item]:
    """The entries with what their proceedings say, without these proceedings."""
    by_key = {item.key.lower(): item for item in items}
    used = set()
    for item in items:
        crossref = item.fields.get("crossref", "").strip()
        parent = by_key.get(crossref.lower())
        if crossref and (parent is None or parent is item):
            item.doubts.append(f'the crossref "{crossref}" is left out: the file has no such entry, so what it says is missing')
        elif crossref:
            used.add(parent.key.lower())
            _inherit(item, parent)
    return [item for item in items if not (item.key.lower() in used and item.kind in ("proceedings", "mvproceedings"))]


def _inherit(item: Item, parent: Item) -> None:
    has = {name for name, value in item.fields.items() if value.strip()}
    for name in INHERITED:
        value = parent.fields.get(name) or (parent.fields.get("title") if name == "booktitle" and "journal" not in has else None)
        if value and name not in has:
            item.fields[name] = value
