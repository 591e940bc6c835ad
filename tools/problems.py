"""A problem is a value: where, what was found, what was expected. And the list of rules that can find one."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

F = TypeVar("F", bound=Callable)

RULES: dict[str, str] = {}
"""Each rule's id and its explanation: what is wrong, why it matters, how to mend it."""


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong at one place of one file. Lines and columns count from 1."""

    path: str
    line: int
    column: int
    field: str
    message: str
    rule: str

    def __str__(self) -> str:
        """One line, in the form that editors and CI know."""
        field = f"{self.field}: " if self.field else ""
        return f"{self.path}:{self.line}:{self.column}: {field}{self.message}"


def rule(rule_id: str) -> Callable[[F], F]:
    """Registers a function as the rule `rule_id`; its docstring is what ``--explain`` prints."""

    def register(function: F) -> F:
        if rule_id in RULES:
            raise ValueError(f"two rules are called {rule_id}")
        RULES[rule_id] = inspect.cleandoc(function.__doc__ or "")
        function.rule_id = rule_id
        return function

    return register


def nearest(word: str, words: Iterable[str]) -> str:
    """``; did you mean "cub-200-2011"?`` where one of the words is close, else nothing."""
    words = list(words)
    plain = {_plain(candidate): candidate for candidate in words}
    found = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=0.6)
    starts = [w for p, w in plain.items() if len(word) > 2 and p.startswith(_plain(word))]
    best = plain[found[0]] if found else starts[0] if starts else None
    return f'; did you mean "{best}"?' if best else ""


def _plain(word: str) -> str:
    return "".join(character for character in word.lower() if character.isalnum())
