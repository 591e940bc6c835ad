"""What was read of the catalog so far, right or wrong: the rules look at this."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel, ValidationError

from tools.manifest import Manifest
from tools.problems import Problem, nearest, rule
from tools.reading import Document, Location, Refused, read
from tools.schema import ID_PATTERN, KINDS, Protocol
from tools.schema_errors import schema_problems

MANIFEST = "catalog.yaml"
OTHER_FILES = {"links.jsonl"}
"""What else may stand in catalog/."""


@dataclass
class Draft:
    """What was read so far: the rules look at this, whether or not every file is right."""

    root: Path
    manifest: Manifest | None = None
    entries: dict[str, dict[str, BaseModel]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    ids: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in KINDS})
    """All files' ids, those with problems too: a reference to a broken entry isn't a second mistake."""
    documents: dict[str, Document] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def document(self, kind: str, entry_id: str) -> Document:
        """The file of an entry."""
        return self.documents[f"catalog/{kind}/{entry_id}.yaml"]

    def all(self, *kinds: str) -> Iterator[tuple[Document, str, BaseModel]]:
        """File, id and entry of all entries of these kinds that could be read."""
        for kind in kinds:
            for entry_id, entry in self.entries[kind].items():
                yield self.document(kind, entry_id), entry_id, entry

    def protocols(self) -> Iterator[tuple[Document, Location, Protocol]]:
        """Every measured value of every paper: its file, where in it, and the value with its protocol."""
        for document, _, paper in self.all("papers"):
            for name in ("results", "reproductions"):
                for index, protocol in enumerate(getattr(paper, name) or ()):
                    yield document, (name, index), protocol


def read_all(root: Path) -> Draft:
    """Every file of the catalog, each validated by itself."""
    draft = Draft(root)
    draft.manifest = _read_model(draft, root / MANIFEST, MANIFEST, Manifest)
    for kind, file in _files(draft):
        draft.ids[kind].add(file.stem)
        entry = _read_model(draft, file, f"catalog/{kind}/{file.name}", KINDS[kind])
        if entry is not None:
            draft.entries[kind][file.stem] = entry
    return draft


def _read_model(draft: Draft, file: Path, name: str, model: type[BaseModel]) -> BaseModel | None:
    try:
        document = draft.documents[name] = read(file, name)
    except Refused as refused:
        draft.problems += refused.problems
        return None
    return _validated(draft, document, model)


def _validated(draft: Draft, document: Document, model: type[BaseModel]) -> BaseModel | None:
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        draft.problems += schema_problems(model, document, error)
    return None


def model_of(path: str) -> type[BaseModel]:
    """The data model of one of the catalog's files, by its path below the root."""
    return Manifest if path == MANIFEST else KINDS[path.split("/")[1]]


def with_documents(draft: Draft, documents: Mapping[str, Document]) -> Draft:
    """What would have been read if these files, by their paths, were as given; the draft itself stays as it is."""
    other = replace(
        draft,
        documents=draft.documents | documents,
        entries={kind: dict(found) for kind, found in draft.entries.items()},
        ids={kind: set(found) for kind, found in draft.ids.items()},
        problems=list(draft.problems),
    )
    for path, document in documents.items():
        model = _validated(other, document, model_of(path))
        if path == MANIFEST:
            other.manifest = model or other.manifest
            continue
        _, kind, name = path.split("/")
        entry_id = name.removesuffix(".yaml")
        other.ids[kind].add(entry_id)
        if model is not None:
            is_new = entry_id not in other.entries[kind]
            other.entries[kind][entry_id] = model
            if is_new:
                other.entries[kind] = dict(sorted(other.entries[kind].items()))
    return other


@rule("file-name")
def _files(draft: Draft) -> Iterator[tuple[str, Path]]:
    """Entries stand in catalog/<kind>/<id>.yaml, and nothing else does.

    The file's name is the entry's id and its page's address; a file with another name or place would never be read.
    Rename the file (lower-case letters, digits and single hyphens, then .yaml), or move it.
    """
    folder = draft.root / "catalog"
    for item in sorted(folder.iterdir()) if folder.is_dir() else ():
        if item.name in OTHER_FILES or item.name.startswith("."):
            continue
        if item.name not in KINDS or not item.is_dir():
            message = f"expected one of the folders {', '.join(KINDS)}{nearest(item.name, KINDS)}"
            draft.problems.append(Problem(f"catalog/{item.name}", 1, 1, "", message, "file-name"))
            continue
        for file in sorted(item.iterdir()):
            if file.name.startswith("."):
                continue
            if file.suffix == ".yaml" and _is_id(file.stem):
                yield item.name, file
            else:
                message = "expected a name such as transfg.yaml: lower-case letters, digits, single hyphens, .yaml"
                draft.problems.append(Problem(f"catalog/{item.name}/{file.name}", 1, 1, "", message, "file-name"))


def _is_id(word: str) -> bool:
    return re.fullmatch(ID_PATTERN, word) is not None
