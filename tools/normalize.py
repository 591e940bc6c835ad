"""The one writer of entries: order of keys, quotes, folding, indentation; comments stay where they were.

    python -m tools.normalize FILE …     rewrites entries in their normal form; changes no fact

The layout follows from the data model: an entry's fields stand in the order of `FIELD_ORDER`, a part's in the order of its
model; models marked inline stand on one line where they fit, texts marked folded in a block, texts marked quoted in quotes.
A comment belongs to the key or item that it precedes, or at whose line's end it stands, and moves with it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

if __name__ == "__main__" and not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.comments import Comments, read_comments
from tools.number import Number
from tools.reading import Document, Location, Refused, read
from tools.schema import FIELD_ORDER, KINDS, Entry
from tools.schema_errors import schema_problems

FOLD_WIDTH = 130
INLINE_WIDTH = 160
SHORT_ITEM = 40
UNSAFE = "\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff\\ufeff\\ufffe\\uffff"
"""What YAML doesn't take as it is, as part of a pattern: control characters and the like."""
PLAIN = re.compile(rf"(?:[^\W\d_]|\d+ [^\W\d_]{{2}})[^{UNSAFE}]*")
NOT_STRINGS = {"y", "n", "yes", "no", "true", "false", "on", "off", "null"}


def normalize(document: Document, model: type[Entry]) -> str:
    """The normal form of an entry's file. The document's data has to be valid."""
    comments = read_comments(document) if "#" in document.text else Comments()
    return write(document.data, model, comments)


def write(data: dict[str, Any], model: type[Entry], comments: Comments | None = None) -> str:
    """An entry's data as YAML, in normal form."""
    comments = comments or Comments()
    header = [*comments.header, ""] if comments.header else []
    return "\n".join([*header, *_mapping(data, Shape(model), (), comments), *comments.footer]) + "\n"


def differs_from_normal_form(document: Document, model: type[Entry]) -> int:
    """The first line on which a file differs from its normal form; 0 where it doesn't."""
    if (normal := normalize(document, model)) == document.text:
        return 0
    pairs = zip(document.text.split("\n"), normal.split("\n"), strict=False)
    return next((number for number, (old, new) in enumerate(pairs, 1) if old != new), document.text.count("\n") + 1)


# ------------------------------------------------------------------------------------------------------------- writing


def _mapping(data: dict[str, Any], shape: Shape, at: Location, comments: Comments) -> list[str]:
    lines: list[str] = []
    for key in shape.ordered(data):
        where = (*at, key)
        lines += comments.before.get(where, [])
        lines += _pair(key, data[key], shape.field(key), shape.below(key), where, comments)
    return lines


def _pair(key: str, value: Any, info: FieldInfo | None, shape: Shape, at: Location, comments: Comments) -> list[str]:
    """The lines of ``key: value``, not indented."""
    beside = f"  {comments.beside[at]}" if at in comments.beside else ""
    name = _scalar(key)
    one_line = _one_line(value, info, shape, at, comments)
    if one_line is not None and len(name) + 2 + len(one_line) <= _limit(value, info):
        return [f"{name}: {one_line}{beside}"]
    if isinstance(value, str):
        return [f"{name}: >-{beside}", *_indent(_fold(value))]
    if isinstance(value, list) and one_line is not None and _all_short(value):
        return _fill(f"{name}: [", [_scalar(item, flow=True) for item in value], f"]{beside}")
    block = _sequence(value, shape, at, comments) if isinstance(value, list) else _mapping(value, shape, at, comments)
    return [f"{name}:{beside}", *_indent(block)]


def _sequence(items: list[Any], shape: Shape, at: Location, comments: Comments) -> list[str]:
    lines: list[str] = []
    for index, item in enumerate(items):
        where = (*at, index)
        lines += comments.before.get(where, [])
        beside = f"  {comments.beside[where]}" if where in comments.beside else ""
        one_line = _one_line(item, None, shape, where, comments)
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


def _one_line(value: Any, info: FieldInfo | None, shape: Shape, at: Location, comments: Comments) -> str | None:
    """A value on one line, or None where it stands in a block."""
    if isinstance(value, str):
        layout = _extra(info)
        return None if layout.get("folded") and _can_fold(value) else _scalar(value, quoted=bool(layout.get("quoted")))
    if not isinstance(value, list | dict):
        return _scalar(value)
    if comments.inside(at):
        return None
    if isinstance(value, list):
        return _flow(value, shape) if not value or _all_short(value) else None
    return _flow(value, shape) if shape.inline or (shape.model is None and _flat(value)) else None


def _flow(value: Any, shape: Shape) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_flow(item, shape) for item in value)}]"
    if not isinstance(value, dict):
        return _scalar(value, flow=True)
    pairs = []
    for key in shape.ordered(value):
        inner, quoted = value[key], bool(_extra(shape.field(key)).get("quoted"))
        shown = _scalar(inner, quoted=quoted, flow=True) if isinstance(inner, str) else _flow(inner, shape.below(key))
        pairs.append(f"{_scalar(key, flow=True)}: {shown}")
    return f"{{{', '.join(pairs)}}}"


def _scalar(value: Any, *, quoted: bool = False, flow: bool = False) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, Number):
        return value.text
    if not isinstance(value, str):
        return str(value)
    if not quoted and _is_plain(value, flow):
        return value
    return re.sub(f"[{UNSAFE}]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _is_plain(value: str, flow: bool) -> bool:
    if not PLAIN.fullmatch(value) or value.lower() in NOT_STRINGS or value != value.strip():
        return False
    return not (": " in value or " #" in value or value.endswith(":") or (flow and re.search(r"[,?\[\]{}]", value)))


def _fold(value: str) -> list[str]:
    lines, line = [], ""
    for word in value.split(" "):
        if line and len(line) + 1 + len(word) > FOLD_WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


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


def _limit(value: Any, info: FieldInfo | None) -> int:
    if isinstance(value, str):
        return FOLD_WIDTH if _can_fold(value) and not _extra(info).get("quoted") else sys.maxsize
    return FOLD_WIDTH if isinstance(value, list) else INLINE_WIDTH


def _all_short(items: list[Any]) -> bool:
    return all(not isinstance(item, list | dict) and len(str(item)) <= SHORT_ITEM for item in items)


def _flat(mapping: dict[str, Any]) -> bool:
    return all(not isinstance(value, list | dict) for value in mapping.values())


def _indent(lines: list[str]) -> list[str]:
    return [f"  {line}" if line else line for line in lines]


# ----------------------------------------------------------------------------------------------------------- the model


@dataclass(frozen=True)
class Shape:
    """What the data model says of a mapping, or of a list's mappings: their model; or, where the keys are free, their values'."""

    model: type[BaseModel] | None = None
    free: bool = False

    @property
    def inline(self) -> bool:
        """Whether such a mapping stands on one line where it fits."""
        return not self.free and bool(self.model) and bool((self.model.model_config.get("json_schema_extra") or {}).get("inline"))

    def ordered(self, data: dict[str, Any]) -> list[str]:
        """A mapping's keys in the order in which they are written."""
        if self.free or self.model is None:
            return list(data)
        fields = self.model.model_fields.items()
        names = FIELD_ORDER if issubclass(self.model, Entry) else [info.alias or name for name, info in fields]
        return [name for name in names if name in data]

    def field(self, key: str) -> FieldInfo | None:
        """The model's field of that name."""
        if self.free or self.model is None:
            return None
        return next((info for name, info in self.model.model_fields.items() if (info.alias or name) == key), None)

    def below(self, key: str) -> Shape:
        """The shape of the value at a key."""
        info = self.field(key)
        return _shape(info.annotation) if info else Shape(self.model)


def _shape(annotation: Any, free: bool = False) -> Shape:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Shape(annotation, free)
    free = free or get_origin(annotation) is dict
    found = [_shape(argument, free) for argument in get_args(annotation)]
    return next((shape for shape in found if shape.model), Shape(None, free))


def _extra(info: FieldInfo | None) -> dict[str, Any]:
    return (info.json_schema_extra if info and isinstance(info.json_schema_extra, dict) else None) or {}


# ------------------------------------------------------------------------------------------------------------- command


def main(arguments: list[str] | None = None) -> int:
    """Rewrites the files that are named; exit code 1 where one of them is no valid entry."""
    parser = argparse.ArgumentParser(prog="python -m tools.normalize", description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="catalog/papers/transfg.yaml")
    failed = 0
    for file in parser.parse_args(arguments).files:
        model = KINDS.get(file.resolve().parent.name)
        if model is None:
            parser.error(f"{file}: expected a file in one of the folders {', '.join(KINDS)}")
        try:
            document = read(file, str(file))
            model.model_validate(document.data)
        except (Refused, ValidationError) as error:
            problems = error.problems if isinstance(error, Refused) else schema_problems(model, document, error)
            print("\n".join(map(str, problems)), file=sys.stderr)
            failed = 1
            continue
        if (normal := normalize(document, model)) != document.text:
            replace(file, normal)
            print(f"{file}: rewritten")
    return failed


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


if __name__ == "__main__":
    sys.exit(main())
