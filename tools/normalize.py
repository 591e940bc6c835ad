"""The one writer of entries: order of keys, quotes, folding, indentation; comments stay where they were.

The layout follows from the data model: an entry's fields stand in the order of `FIELD_ORDER`, a part's in the order of its
model; models marked inline stand on one line where they fit, texts marked folded in a block, texts marked quoted in quotes.
A comment belongs to the key or item that it precedes, or at whose line's end it stands, and moves with it.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import tempfile
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tools.comments import Comments, read_comments
from tools.number import Number
from tools.reading import Document, Location
from tools.schema import FIELD_ORDER, Entry

FOLD_WIDTH = 130
INLINE_WIDTH = 160
SHORT_ITEM = 40
UNSAFE = "\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff\\ufeff\\ufffe\\uffff"
"""What YAML doesn't take as it is, as part of a pattern: control characters and the like."""
PLAIN = re.compile(rf"(?:[^\W\d_]|\d+ [^\W\d_]{{2}})[^{UNSAFE}]*")
PLAIN_IN_FLOW = re.compile(rf"(?:[^\W\d_]|\d+ [^\W\d_]{{2}})[^{UNSAFE},?\[\]{{}}]*")
NOT_STRINGS = {"y", "n", "yes", "no", "true", "false", "on", "off", "null"}
LONGEST_NOT_STRING = max(map(len, NOT_STRINGS))
QUOTE = json.JSONEncoder(ensure_ascii=False).encode


def normalize(document: Document, model: type[Entry]) -> str:
    """The normal form of an entry's file. The document's data has to be valid."""
    comments = read_comments(document) if "#" in document.text else Comments()
    return write(document.data, model, comments)


def write(data: dict[str, Any], model: type[Entry], comments: Comments | None = None) -> str:
    """An entry's data as YAML, in normal form."""
    comments = comments or Comments()
    header = [*comments.header, ""] if comments.header else []
    return "\n".join([*header, *_mapping(data, shape_of(model), (), comments), *comments.footer]) + "\n"


def differs_from_normal_form(document: Document, model: type[Entry]) -> int:
    """The first line on which a file differs from its normal form; 0 where it doesn't."""
    if (normal := normalize(document, model)) == document.text:
        return 0
    pairs = zip(document.text.split("\n"), normal.split("\n"), strict=False)
    return next((number for number, (old, new) in enumerate(pairs, 1) if old != new), document.text.count("\n") + 1)


# ------------------------------------------------------------------------------------------------------------- writing


def _mapping(data: dict[str, Any], shape: Shape, at: Location, comments: Comments) -> list[str]:
    lines: list[str] = []
    for field in shape.written(data):
        where = (*at, field.key) if comments.any else at
        if where in comments.before:
            lines += comments.before[where]
        lines += _pair(field, data[field.key], where, comments)
    return lines


def _pair(field: Field, value: Any, at: Location, comments: Comments) -> list[str]:
    """The lines of ``key: value``, not indented."""
    beside = f"  {comments.beside[at]}" if at in comments.beside else ""
    if isinstance(value, str):
        return _text(field, value, beside)
    one_line = _one_line(value, field.shape, at, comments)
    fits = one_line is not None and len(field.name) + 2 + len(one_line) <= _limit(value)
    if fits or not isinstance(value, list | dict):
        return [f"{field.name}: {one_line}{beside}"]
    if one_line is not None and isinstance(value, list) and _all_short(value):
        return _fill(f"{field.name}: [", [_scalar(item, flow=True) for item in value], f"]{beside}")
    block = _sequence(value, field.shape, at, comments) if isinstance(value, list) else _mapping(value, field.shape, at, comments)
    return [f"{field.name}:{beside}", *_indent(block)]


def _text(field: Field, value: str, beside: str) -> list[str]:
    """A text on one line, or, where it is marked so or too long, folded."""
    if not (field.folded and _can_fold(value)):
        one_line = _scalar(value, quoted=field.quoted)
        fits = len(field.name) + 2 + len(one_line) <= FOLD_WIDTH
        if fits or field.quoted or not _can_fold(value):
            return [f"{field.name}: {one_line}{beside}"]
    return [f"{field.name}: >-{beside}", *_indent(_fold(value))]


def _sequence(items: list[Any], shape: Shape, at: Location, comments: Comments) -> list[str]:
    lines: list[str] = []
    for index, item in enumerate(items):
        where = (*at, index) if comments.any else at
        if where in comments.before:
            lines += comments.before[where]
        beside = f"  {comments.beside[where]}" if where in comments.beside else ""
        one_line = _scalar(item) if isinstance(item, str) else _one_line(item, shape, where, comments)
        if one_line is not None and len(one_line) <= (FOLD_WIDTH if isinstance(item, str) else INLINE_WIDTH):
            lines.append(f"- {one_line}{beside}")
        elif isinstance(item, str):
            lines += [f"- >-{beside}", *_indent(_fold(item))]
        else:
            first, *rest = _mapping(item, shape, where, comments)
            while first.startswith("#"):  # a comment above an item's first key stands above the item
                lines.append(first)
                first, *rest = rest
            lines += [f"- {first}{beside}", *_indent(rest)]
    return lines


def _one_line(value: Any, shape: Shape, at: Location, comments: Comments) -> str | None:
    """A value that is no text on one line, or None where it stands in a block."""
    if isinstance(value, list):
        return _flow(value, shape) if (not value or _all_short(value)) and not comments.inside(at) else None
    if isinstance(value, dict):
        inline = shape.inline or (shape.any and _flat(value))
        return _flow(value, shape) if inline and not comments.inside(at) else None
    return _scalar(value)


def _flow(value: Any, shape: Shape) -> str:
    if isinstance(value, list):
        return f"[{', '.join([_flow(item, shape) for item in value])}]"
    if not isinstance(value, dict):
        return _scalar(value, flow=True)
    pairs = []
    for field in shape.written(value):
        inner = value[field.key]
        shown = _scalar(inner, quoted=field.quoted, flow=True) if isinstance(inner, str) else _flow(inner, field.shape)
        pairs.append(f"{field.name}: {shown}")
    return f"{{{', '.join(pairs)}}}"


def _scalar(value: Any, *, quoted: bool = False, flow: bool = False) -> str:
    if isinstance(value, str):
        if not quoted and _is_plain(value, flow):
            return value
        shown = QUOTE(value)
        return shown if value.isprintable() else re.sub(f"[{UNSAFE}]", lambda found: f"\\u{ord(found[0]):04x}", shown)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Number):
        return value.text
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, int | float):
        return str(value)
    raise TypeError(f"an entry has no {type(value).__name__}")


@lru_cache(maxsize=1 << 14)  # the same words come again and again
def _is_plain(value: str, flow: bool) -> bool:
    if not (PLAIN_IN_FLOW if flow else PLAIN).fullmatch(value) or value[-1] == ":" or value[-1].isspace():
        return False
    return not (": " in value or " #" in value or (len(value) <= LONGEST_NOT_STRING and value.lower() in NOT_STRINGS))


def _fold(value: str) -> list[str]:
    lines, start = [], 0
    while len(value) - start > FOLD_WIDTH:
        cut = value.rfind(" ", start, start + FOLD_WIDTH + 1)
        cut = cut if cut > 0 and cut > start else value.find(" ", start + FOLD_WIDTH)  # a word longer than a line
        if cut < 0:
            break
        lines.append(value[start:cut])
        start = cut + 1
    return [*lines, value[start:]]


def _fill(start: str, items: list[str], end: str) -> list[str]:
    """``key: [a, b, c]`` over several lines."""
    lines = [start]
    for index, item in enumerate(items):
        text = item + (end if index == len(items) - 1 else ",")
        blank = "" if lines[-1].endswith("[") else " "
        if len(lines[-1]) + len(blank) + len(text) > FOLD_WIDTH:
            lines.append(f"  {text}")
        else:
            lines[-1] += blank + text
    return lines


def _can_fold(value: str) -> bool:
    return "  " not in value and value.isprintable() and value == value.strip()


def _limit(value: Any) -> int:
    return FOLD_WIDTH if isinstance(value, list) else INLINE_WIDTH


def _all_short(items: list[Any]) -> bool:
    return all(not isinstance(item, list | dict) and len(str(item)) <= SHORT_ITEM for item in items)


def _flat(mapping: dict[str, Any]) -> bool:
    return all(not isinstance(value, list | dict) for value in mapping.values())


def _indent(lines: list[str]) -> list[str]:
    return [f"  {line}" if line else line for line in lines]


# ----------------------------------------------------------------------------------------------------------- the model


@dataclass(frozen=True)
class Field:
    """A key, as it is written, and how its value is."""

    key: str
    name: str
    shape: Shape
    quoted: bool = False
    folded: bool = False


@dataclass(frozen=True)
class Shape:
    """What the data model says of a mapping, or of a list's mappings: its fields in the order in which they are written.

    Of a mapping with free keys it has no field, and the shape of their values instead.
    """

    fields: tuple[Field, ...] = ()
    inline: bool = False
    values: Shape | None = None

    @property
    def any(self) -> bool:
        """Whether the model says nothing: any keys, any values."""
        return not self.fields and self.values is None

    def written(self, data: dict[str, Any]) -> list[Field]:
        """The fields of a mapping, in order."""
        if self.fields:
            return [field for field in self.fields if field.key in data]
        return [Field(key, _scalar(key, flow=True), self.values or self) for key in data]


@cache
def shape_of(model: type[BaseModel]) -> Shape:
    """How entries of a kind, or parts of them, are written."""
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    names = [name for name in FIELD_ORDER if name in fields] if issubclass(model, Entry) else fields
    extra = model.model_config.get("json_schema_extra") or {}
    return Shape(tuple(_field(name, fields[name]) for name in names), bool(extra.get("inline")))


def _field(name: str, info: FieldInfo) -> Field:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    return Field(name, _scalar(name), _shape(info.annotation), bool(extra.get("quoted")), bool(extra.get("folded")))


def _shape(annotation: Any) -> Shape:
    """The shape of the mappings that a field holds: itself one, a list of them, or one with free keys."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return shape_of(annotation)
    below = [shape for shape in map(_shape, get_args(annotation)) if not shape.any]
    found = below[0] if below else Shape()
    return Shape(values=found) if get_origin(annotation) is dict and not found.any else found


# ---------------------------------------------------------------------------------------------------------------- file


def replace(file: Path, text: str) -> None:
    """Writes a file as a whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).chmod(file.stat().st_mode & 0o777 if file.exists() else 0o644)
        Path(temporary).replace(file)
    finally:
        Path(temporary).unlink(missing_ok=True)
