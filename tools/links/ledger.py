"""catalog/links.jsonl: what is remembered of each address, one JSON object a line, sorted by address, so that diffs are small.

Reading needs nothing but Python, since the site reads it too; what is written while a run goes on is in `tools.links.journal`.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from tools.links.model import VERDICTS, Row
from tools.normalize import replace

FILE = Path("catalog") / "links.jsonl"
"""Where it stands, from the repository's root."""


class Unreadable(Exception):
    """A ledger that can't be understood; the message says where and why. Nothing was changed."""


def read(file: Path) -> dict[str, Row]:
    """The rows by their addresses; none where there is no file. Raises `Unreadable`."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{file}: can't be read ({error}); restore it: git checkout -- {file.name}") from None
    rows: dict[str, Row] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = row_of(line)
        except ValueError as error:
            raise Unreadable(f"{file}:{number}: {error}; correct the line, or take the file of an earlier commit") from None
        if row.url in rows:
            raise Unreadable(f"{file}:{number}: {row.url} has a line already; keep the newer one of the two")
        rows[row.url] = row
    return rows


def write(file: Path, rows: Iterable[Row]) -> None:
    """Writes the rows, sorted by address, as a whole or not at all."""
    replace(file, "".join(f"{line_of(row)}\n" for row in sorted(rows, key=lambda row: row.url)))


def line_of(row: Row) -> str:
    """A row as JSON: what is None, nought or false is left out."""
    found = ((name, getattr(row, name)) for name in CHECKS)
    return ENCODE({name: value for name, value in found if value})


def row_of(line: str) -> Row:
    """The row of a line. Raises ValueError, which says what is wrong."""
    if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        raise ValueError("found the mark of a merge that was left open")
    try:
        data = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise ValueError("expected a JSON object, found one in another in another …") from None
    if not isinstance(data, dict):
        raise ValueError("expected a JSON object")
    for name in ("url", "first_seen"):
        if name not in data:
            raise ValueError(f'"{name}" is missing')
    return Row(**dict(_checked(data)))


def _checked(data: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if name not in CHECKS:
            raise ValueError(f'no "{_shown(name)}" here; expected {", ".join(CHECKS)}')
        try:
            yield name, CHECKS[name](value)
        except (TypeError, ValueError):
            raise ValueError(f'"{name}" can\'t be {_shown(json.dumps(value, ensure_ascii=False))}') from None


def _shown(text: str) -> str:
    """Text that can be printed: half a character, which JSON can spell and no file can hold, as it is spelt."""
    return text.encode(errors="backslashreplace").decode()


def _is(kind: type | tuple[type, ...]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise TypeError
        if isinstance(value, str) and not value.isascii():
            value.encode()  # raises ValueError where there is half a character
        return value

    return check


@lru_cache(maxsize=1 << 12)  # one object a day, not one a row
def _date(value: str) -> datetime.date:
    return datetime.date.fromisoformat(value)


def _verdict(value: str) -> str:
    return VERDICTS[VERDICTS.index(value)]


def _count(value: int) -> int:
    if _is(int)(value) < 0:
        raise ValueError
    return value


OF_TYPE: dict[str, Callable[[Any], Any]] = {
    "str": _is(str),
    "str | None": _is(str),
    "datetime.date": _date,
    "datetime.date | None": _date,
    "int | str | None": _is((int, str)),
    "int": _count,
    "bool": _is(bool),
    "Verdict": _verdict,
}
CHECKS = {field.name: OF_TYPE[field.type] for field in fields(Row)}
"""What takes each field's value from JSON, in the order in which they are written."""
ENCODE = json.JSONEncoder(ensure_ascii=False, default=datetime.date.isoformat).encode
