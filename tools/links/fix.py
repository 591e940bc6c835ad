"""`--fix`: puts new addresses in the place of old ones, where a program may: permanent redirects and https twins.

An address is replaced where it is all that a field says. In a sentence, in what is quoted and in the catalog's own addresses it
is left, and told. A file is changed only if the catalog is valid afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import yaml

from tools.comments import Comments, read_comments
from tools.draft import MANIFEST, Draft, model_of, with_documents
from tools.fixes import Fix
from tools.links.collect import IDS, NOT_LINKS, QUOTED, scalars
from tools.links.model import Finding, Place
from tools.links.report import where
from tools.normalize import replace as replace_file
from tools.normalize import write
from tools.reading import Document, Refused, decode, from_text, read_bytes
from tools.rules import errors

OURS = ("site", "repository")
"""The catalog's own addresses: people move them."""
UNTOUCHED = (QUOTED, *NOT_LINKS)
PLAIN = re.compile(r"https?:(?:[\w/.~%=+@;()*'!$-]|[:#&](?=\S))+")
"""An address that needs no quotes, in brackets and braces neither."""


@dataclass(frozen=True)
class Fixes:
    """The files as they would be, and what a person has to do."""

    files: list[Fix]
    left: list[str]


def fixes(draft: Draft, findings: Iterable[Finding]) -> Fixes:
    """What would be changed; nothing is written."""
    findings = [finding for finding in findings if finding.fixable and finding.suggestion and finding.excepted is None]
    if not findings:
        return Fixes([], [])
    if errors(draft):  # a problem of ours couldn't be told from one that was there
        return Fixes([], ["nothing was changed: the catalog isn't valid; python -m tools.check_catalog tells what to mend first"])
    built, findings = [*_of_the_site(findings, draft)], _of_the_catalog(findings, draft)
    new = {finding.target.url: finding.suggestion or "" for finding in findings}
    changed: dict[str, Document] = {}
    left = [*_not_rewritten(findings, draft), *built]
    for path in sorted({place.path for finding in findings for place in finding.target.places}):
        text = _changed(draft.documents[path], new)
        if text is None:
            left.append(f"{path}: left as it is: more than the address would change, a comment, say; change it by hand")
        elif text != draft.documents[path].text:
            changed[path] = from_text(text, path)
    kept = _valid(draft, changed, left)
    return Fixes([Fix(draft.root / path, path, draft.documents[path].text, changed[path].text) for path in kept], left)


def apply(files: Iterable[Fix]) -> Iterator[str]:
    """Writes the files, each as a whole or not at all; says which was left, since somebody changed it meanwhile."""
    for fix in files:
        try:
            now = decode(read_bytes(fix.file, fix.name), fix.name)
        except Refused as refused:
            yield f"{fix.name}: left as it is: {refused}"
            continue
        if now == fix.before:
            replace_file(fix.file, fix.after)
        else:
            yield f"{fix.name}: left as it is: it was changed meanwhile; run the command again"


# ------------------------------------------------------------------------------------------------------------- one file


def _of_the_site(findings: Iterable[Finding], draft: Draft) -> Iterator[str]:
    """What is told of the places in pages of the built site."""
    for finding in findings:
        if built := _at(finding, [place for place in finding.target.places if place.path not in draft.documents]):
            moved = f"{finding.target.url} is at {finding.suggestion} now"
            yield f"{where(built)}: {moved}; it stands in the built site, so change by hand what that is made of"


def _of_the_catalog(findings: Iterable[Finding], draft: Draft) -> list[Finding]:
    """The findings with only those places that stand in a file of the catalog's."""
    ours = (_at(finding, [place for place in finding.target.places if place.path in draft.documents]) for finding in findings)
    return [finding for finding in ours if finding]


def _at(finding: Finding, places: list[Place]) -> Finding | None:
    """The finding with some of its places; None where those are none."""
    return replace(finding, target=replace(finding.target, places=tuple(places))) if places else None


def _not_rewritten(findings: Iterable[Finding], draft: Draft) -> Iterator[str]:
    """The places that only a person may change."""
    values: dict[str, dict[str, str]] = {}
    for finding in findings:
        for place in finding.target.places:
            if place.path not in values:
                values[place.path] = {field: node.value for node, field, _ in scalars(draft.documents[place.path])}
            if reason := _left_alone(place, values[place.path].get(place.field) == finding.target.url):
                at = f"{place.path}:{place.line}:{place.column}: {place.field}"
                yield f"{at}: {finding.target.url} is at {finding.suggestion} now; {reason}, so change it by hand"


def _left_alone(place: Place, whole: bool) -> str | None:
    if place.path == MANIFEST and place.field in OURS:
        return "it is the catalog's own"
    if place.field in IDS:
        return "it follows from an id"
    return None if whole else "it stands in a text"


def _changed(document: Document, new: Mapping[str, str]) -> str | None:
    """The file's text with new addresses; None where anything else would change."""
    ours = OURS if document.path == MANIFEST else ()
    expected = {key: value if key in ours else _with_new(value, new) for key, value in document.data.items()}
    if expected == document.data:
        return document.text
    text = _spliced(document, new) if ours else _rewritten(document, expected)
    try:
        changed = from_text(text, document.path)
    except Refused:
        return None
    return text if changed.data == expected and _comments(changed) == _comments(document) else None


def _with_new(value: Any, new: Mapping[str, str]) -> Any:
    """The data with new addresses for old ones; what is by https now says no longer that its host has none."""
    if isinstance(value, list):
        return [_with_new(item, new) for item in value]
    if not isinstance(value, dict):
        return new.get(value, value) if isinstance(value, str) else value
    found = {key: inner if key in UNTOUCHED else _with_new(inner, new) for key, inner in value.items()}
    if found.get("https") is False and str(found.get("url")).startswith("https://"):
        del found["https"]
    return found


def _rewritten(document: Document, data: dict[str, Any]) -> str:
    """An entry's file with other data: it was in normal form, and is so again, whatever the length of the new address."""
    return write(data, model_of(document.path), read_comments(document) if "#" in document.text else Comments())


def _spliced(document: Document, new: Mapping[str, str]) -> str:
    """catalog.yaml, which has no normal form, with nothing but the scalars replaced."""
    text = document.text
    for node, field, _ in reversed(list(scalars(document))):
        if node.value in new and field not in OURS:
            start, end = node.start_mark.index, node.end_mark.index
            text = text[:start] + _spelled(text[start:end], node, new[node.value]) + text[end:]
    return text


def _spelled(old: str, node: yaml.ScalarNode, url: str) -> str:
    if node.style in (">", "|"):
        return old.replace(node.value, url)
    return url if not node.style and PLAIN.fullmatch(url) else json.dumps(url, ensure_ascii=False)


def _comments(document: Document) -> list[str]:
    found = read_comments(document)
    return sorted([*found.header, *chain(*found.before.values()), *found.beside.values(), *found.footer])


# --------------------------------------------------------------------------------------------------------- the catalog


def _valid(draft: Draft, changed: dict[str, Document], left: list[str]) -> dict[str, Document]:
    """The changed files with which the catalog is valid: all, or those that each keep it so; of the others `left` is told."""
    if not errors(with_documents(draft, changed)):
        return changed
    kept: dict[str, Document] = {}
    for path, document in changed.items():
        if found := errors(with_documents(draft, kept | {path: document})):
            left.append(f"{path}: left as it is, since the catalog wouldn't be valid: {found[0]}")
        else:
            kept[path] = document
    return kept
