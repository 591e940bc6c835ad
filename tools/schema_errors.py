"""pydantic's errors, said so that a contributor knows what to type."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from tools.problems import Problem, nearest, rule
from tools.reading import Document, Location
from tools.schema import ARXIV_PATTERN, DOI_PATTERN, ID_PATTERN, TEXT_PATTERN

MOST = 100
"""Finding a line takes time, and nobody mends the hundred-and-first mistake of a file before the first."""
PATTERNS = {
    ID_PATTERN: "an id: lower-case letters, digits and single hyphens, such as cub-200-2011",
    ARXIV_PATTERN: 'an arXiv id without its version, such as "2103.07976"',
    DOI_PATTERN: 'a DOI without the resolver\'s address, such as "10.1609/aaai.v36i1.19967"',
    r"^https?://[^\s/]+\S*$": "an address that starts with https:// and has no blanks",
    TEXT_PATTERN: "a text on one line without blanks at either end and without control characters",
    r"^implementations/[a-z][a-z0-9_]*\.py$": "a file such as implementations/transfg.py",
    r"^[0-9a-f]{32}$": "32 hexadecimal digits",
    r"^[0-9a-f]{64}$": "64 hexadecimal digits",
}
EXPECTED = {
    "string": "a text",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "date": "a date such as 2026-11-24",
}
FOUND: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "the number"),
    (float, "the number"),
    (datetime.date, "the date"),
    (list, "a list"),
    (dict, "a mapping"),
    (type(None), "nothing"),
)


def schema_problems(model: type[BaseModel], document: Document, error: ValidationError) -> list[Problem]:
    """Every error of one file, at its line and column; of a file that is no entry at all, the first hundred."""
    return [_problem(model, document, details) for details in error.errors(include_url=False)[:MOST]]


def _problem(model: type[BaseModel], document: Document, details: dict[str, Any]) -> Problem:
    location: Location = details["loc"]
    translate = TRANSLATIONS.get(details["type"], wrong_value)
    message = translate(model, document, details)
    return document.problem(location, message, translate.rule_id, key=details["type"] == "extra_forbidden")


@rule("field-missing")
def missing(model: type[BaseModel], document: Document, details: dict[str, Any]) -> str:
    """A field that every entry of this kind needs isn't there.

    Pages, checks and citations are made from it.
    Add the field; a neighbouring entry shows its form.
    """
    return f'the field "{details["loc"][-1]}" is missing: {_description(model, details["loc"])}'


@rule("field-unknown")
def unknown(model: type[BaseModel], document: Document, details: dict[str, Any]) -> str:
    """A field that entries of this kind don't have.

    A misspelt field would be lost without a word.
    Use the field that the message suggests; CONTRIBUTING tells what fields there are.
    """
    parent = _model_at(model, details["loc"][:-1])
    return f'no field "{details["loc"][-1]}" here{nearest(str(details["loc"][-1]), _names(parent))}'


@rule("field-type", fix="puts quotes around a text that looks like a number or date, and takes them off a number or date")
def wrong_type(model: type[BaseModel], document: Document, details: dict[str, Any]) -> str:
    """A value of another type than the field's.

    YAML reads 2003.05230 as a number and drops its last zero, `no` as false, and 2020-01-01 as a date.
    Put texts that look like something else into double quotes; write numbers without.
    """
    value, raw = details["input"], document.raw(details["loc"])
    expected = EXPECTED.get(details["type"].removesuffix("_type").removesuffix("_parsing"), "another type")
    found = next((words for kind, words in FOUND if isinstance(value, kind)), "the text")
    shown = f"{found} {raw}" if raw and found.startswith("the ") else found
    quote = f'; put it in double quotes: "{raw}"' if expected == "a text" and raw else ""
    unquote = "; write it without quotes" if isinstance(value, str) and expected != "a list" else ""
    return f"found {shown}, expected {expected}{quote}{unquote}"


@rule("field-value", fix="takes version, prefix and resolver off an arXiv id or DOI, and blanks off the ends of a text")
def wrong_value(model: type[BaseModel], document: Document, details: dict[str, Any]) -> str:
    """A value that the field can't take.

    Each field has a form (an id, an address, a number within bounds, one of a few words) that everything else relies on.
    The message says which form.
    """
    kind, context, value = details["type"], details.get("ctx", {}), details["input"]
    if kind == "literal_error":
        words = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return f'found "{value}", expected one of {", ".join(words)}{nearest(str(value), words)}'
    if kind == "string_pattern_mismatch":
        return f'found "{_short(value)}", expected {PATTERNS.get(context["pattern"], context["pattern"])}'
    if kind == "value_error":
        return str(context["error"])
    return f"found {_short(value)}: {details['msg'][0].lower()}{details['msg'][1:]}"


TRANSLATIONS: dict[str, Callable[..., str]] = {"missing": missing, "extra_forbidden": unknown} | {
    f"{name}_type": wrong_type for name in EXPECTED
}


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _names(model: type[BaseModel] | None) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _description(model: type[BaseModel], location: Location) -> str:
    parent = _model_at(model, location[:-1])
    fields = parent.model_fields.items() if parent else ()
    found = next((f.description for name, f in fields if (f.alias or name) == location[-1]), None)
    return " ".join((found or "see CONTRIBUTING").split())


def _model_at(model: type[BaseModel] | None, location: Location) -> type[BaseModel] | None:
    """The model that describes the mapping at a location: Paper, ("results", 2) -> Result."""
    for step in location:
        if isinstance(step, int) or model is None:
            continue
        found = next((f for name, f in model.model_fields.items() if (f.alias or name) == step), None)
        model = _model_in(found.annotation) if found else model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _model_in(argument))), None)
