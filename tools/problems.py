"""A problem is a value: where, what was found, what was expected. And the list of rules that can find one."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

F = TypeVar("F", bound=Callable)

LEVELS = {
    "error": "The catalog isn't valid, and nothing is built from it.",
    "warning": "The catalog is valid, but a reviewer would ask for a change.",
    "note": "Worth a second look; it may well be right.",
}
"""How bad a problem is, and what that means."""


@dataclass(frozen=True)
class Rule:
    """A check: its level; what is wrong, why it matters and how to mend it; what `--fix` does about it, if anything."""

    id: str
    level: str
    explanation: str
    fix: str | None


RULES: dict[str, Rule] = {}
"""All rules by their ids."""


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong at one place of one file. Lines and columns count from 1."""

    path: str
    line: int
    column: int
    field: str
    message: str
    rule: str

    @property
    def level(self) -> str:
        """error, warning or note."""
        return RULES[self.rule].level

    def __str__(self) -> str:
        """One line, in the form that editors and CI know."""
        field = f"{self.field}: " if self.field else ""
        return f"{self.path}:{self.line}:{self.column}: {field}{self.message}"


def rule(rule_id: str, level: str = "error", *, fix: str | None = None) -> Callable[[F], F]:
    """Registers a function as the rule `rule_id`; its docstring explains it. `fix` says what ``--fix`` does about it."""

    def register(function: F) -> F:
        if rule_id in RULES:
            raise ValueError(f"two rules are called {rule_id}")
        RULES[rule_id] = Rule(rule_id, level, inspect.cleandoc(function.__doc__ or ""), fix)
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
