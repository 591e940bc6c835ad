"""JSON from a service, read so that no answer, however odd, is more than a `NoAnswer` or a missing value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tools.adding.record import NoAnswer
from tools.adding.web import Answer


def read_object(answer: Answer) -> Mapping[str, Any]:
    """The object that an answer holds. Raises NoAnswer for anything else."""
    try:
        data = json.loads(answer.content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise NoAnswer(f"{answer.service} answers {_kind(answer)} in place of JSON, at {answer.url}") from error
    if not isinstance(data, dict):
        raise NoAnswer(f"{answer.service} answers a JSON {type(data).__name__} in place of an object, at {answer.url}")
    return data


def within(value: Any, *path: str) -> Any:
    """What stands at a path of keys; None where it isn't there."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none where it isn't one."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def strings(value: Any) -> list[str]:
    """The strings of a list, or a string alone."""
    value = [value] if isinstance(value, str) else value
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _kind(answer: Answer) -> str:
    start = answer.text[:200].lstrip().lower()
    return "a web page" if start.startswith(("<!doctype html", "<html")) else "something that can't be read"
