"""Words and ids that have to be known: the vocabulary, other entries, splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tools.draft import Draft
from tools.problems import Problem, nearest, rule
from tools.reading import Document, Location
from tools.schema import Dataset


@rule("vocabulary-unknown")
def vocabulary(draft: Draft) -> Iterator[Problem]:
    """A word that catalog.yaml's vocabulary doesn't have.

    One spelling a thing is what makes papers and results comparable.
    Use the word that the message suggests, or add yours to catalog.yaml with its definition.
    """
    if draft.manifest is None:
        return
    for document, location, word, vocabulary_name in _words(draft):
        known = getattr(draft.manifest, vocabulary_name)
        if word not in known:
            message = f'no "{word}" among the {vocabulary_name} of catalog.yaml{nearest(word, known)}'
            yield document.problem(location, message, "vocabulary-unknown")


def _words(draft: Draft) -> Iterator[tuple[Document, Location, str, str]]:
    """Every use of the vocabulary: its file, where in it, the word, and the name of its vocabulary."""
    for document, _, entry in draft.all(*draft.entries):
        if getattr(entry, "venue", None):
            yield document, ("venue",), entry.venue, "venues"
        for name in ("approaches", "mechanisms"):
            for index, word in enumerate(getattr(entry, name, None) or ()):
                yield document, (name, index), word, name
    for document, location, protocol in draft.protocols():
        for name, vocabulary_name in (("metric", "metrics"), ("backbone", "backbones"), ("pretraining", "pretraining")):
            if getattr(protocol, name):
                yield document, (*location, name), getattr(protocol, name), vocabulary_name
        for name, vocabulary_name in (("extra", "extras"), ("test_time", "test_time")):
            for index, word in enumerate(getattr(protocol, name) or ()):
                yield document, (*location, name, index), word, vocabulary_name


@rule("reference-unknown")
def references(draft: Draft) -> Iterator[Problem]:
    """A reference to an entry that isn't there.

    A result on a dataset that has no entry can be neither shown nor checked.
    Use the id that the message suggests, or add the entry.
    """
    for document, location, word, kind in _references(draft):
        if word not in draft.ids[kind]:
            message = f'no {kind.removesuffix("s")} "{word}"{nearest(word, draft.ids[kind])}'
            yield document.problem(location, message, "reference-unknown")


def _references(draft: Draft) -> Iterator[tuple[Document, Location, str, str]]:
    """Every reference: its file, where in it, the id, and the kind of entry that it names."""
    for document, location, protocol in draft.protocols():
        yield document, (*location, "dataset"), protocol.dataset, "datasets"
    for document, _, entry in draft.all(*draft.entries):
        for index, correction in enumerate(entry.corrections or ()):
            if correction.dataset:
                yield document, ("corrections", index, "dataset"), correction.dataset, "datasets"
        for index, dataset in enumerate(getattr(entry, "datasets", None) or ()):
            yield document, ("datasets", index), dataset, "datasets"
        for name, kind in (("workshop", "workshops"), ("superseded_by", "surveys")):
            if getattr(entry, name, None):
                yield document, (name,), getattr(entry, name), kind
    if draft.manifest:
        for index, board in enumerate(draft.manifest.leaderboards):
            yield draft.documents["catalog.yaml"], ("leaderboards", index, "dataset"), board.dataset, "datasets"


@rule("leaderboard-metric-unknown")
def leaderboards(draft: Draft) -> Iterator[Problem]:
    """A leaderboard for a metric, or on a split, that isn't there, or a second one for the same dataset.

    A leaderboard of nothing would be an empty page, and two would be one page written twice.
    Use a metric of catalog.yaml and a split of the dataset's entry; keep one leaderboard a dataset.
    """
    if draft.manifest is None:
        return
    document, seen = draft.documents["catalog.yaml"], set()
    for index, board in enumerate(draft.manifest.leaderboards):
        at = ("leaderboards", index)
        if board.metric not in draft.manifest.metrics:
            message = f'no metric "{board.metric}"{nearest(board.metric, draft.manifest.metrics)}'
            yield document.problem((*at, "metric"), message, "leaderboard-metric-unknown")
        dataset = draft.entries["datasets"].get(board.dataset)
        if dataset and board.split not in dataset.splits:
            message = f'{board.dataset} has no split "{board.split}"{nearest(board.split, dataset.splits)}'
            yield document.problem((*at, "split"), message, "leaderboard-metric-unknown")
        if board.dataset in seen:
            message = f"a second leaderboard for {board.dataset}; keep one"
            yield document.problem(at, message, "leaderboard-metric-unknown")
        seen.add(board.dataset)


@rule("split-unknown")
def splits(draft: Draft) -> Iterator[Problem]:
    """A result on a split, or at a level of labels, that its dataset doesn't have.

    Results are divided by the number of the split's images, and compared at one level of labels only.
    Use a split or level of the dataset's entry, or add it there with its number and source.
    """
    for document, location, protocol in draft.protocols():
        dataset: Dataset | None = draft.entries["datasets"].get(protocol.dataset)
        if dataset is None:
            continue
        for name, word, known in (
            ("split", protocol.split, dataset.splits),
            ("labels", protocol.labels, dataset.levels or {}),
        ):
            if word and word not in known:
                message = f'{protocol.dataset} has no {name} "{word}"{nearest(word, known)}'
                yield document.problem((*location, name), message, "split-unknown")
        if protocol.labels and (dataset.levels or {}).get(protocol.labels) == dataset.classes:
            message = f'"{protocol.labels}" is the finest level of {protocol.dataset}; leave `labels` out'
            yield document.problem((*location, "labels"), message, "split-unknown")


@rule("formerly-taken")
def formerly(draft: Draft) -> Iterator[Problem]:
    """A former id that an entry has today, or that two entries claim.

    The old address leads to one page only.
    Remove the id from the entry that never had it.
    """
    for kind, ids in draft.ids.items():
        owners: dict[str, str] = {}
        for document, entry_id, entry in draft.all(kind):
            for index, old in enumerate(entry.formerly or ()):
                owner = old if old in ids else owners.setdefault(old, entry_id)
                if owner != entry_id or old in ids:
                    message = f'"{old}" belongs to {kind}/{owner} already; an old id leads to one entry'
                    yield document.problem(("formerly", index), message, "formerly-taken")


@rule("word-unused", "warning")
def unused_words(draft: Draft) -> Iterator[Problem]:
    """A word of the vocabulary that no entry uses.

    Each further word splits what could have been compared, and one that is used by nobody can't be judged.
    Use it in the entry that it was meant for, or remove it from catalog.yaml.
    """
    if draft.manifest is None or draft.problems:  # an entry that can't be read may use it
        return
    used: dict[str, set[str]] = defaultdict(set)
    for _, _, word, name in _words(draft):
        used[name].add(word)
    used["metrics"] |= {board.metric for board in draft.manifest.leaderboards}
    document = draft.documents["catalog.yaml"]
    for name in ("venues", "approaches", "mechanisms", "metrics", "backbones", "pretraining", "extras", "test_time"):
        known = getattr(draft.manifest, name)
        for word in known if used[name] <= known.keys() else ():  # an unknown word may be this one, misspelt
            if word not in used[name]:
                yield document.problem((name, word), f"no entry uses it; remove it from the {name}", "word-unused", key=True)


@rule("word-twin")
def twin_words(draft: Draft) -> Iterator[Problem]:
    """Two words of the vocabulary that are shown alike.

    Two backbones called ResNet-50 would never be compared, and nobody could see why.
    Join the two, or name what tells them apart.
    """
    if draft.manifest is None:
        return
    for name in ("approaches", "mechanisms", "metrics", "backbones", "pretraining", "extras", "test_time"):
        shown: dict[str, str] = {}
        for word, term in getattr(draft.manifest, name).items():
            if shown.setdefault(term.name.casefold(), word) != word:
                message = f'"{shown[term.name.casefold()]}" is called {term.name} too; join the two'
                yield draft.documents["catalog.yaml"].problem((name, word), message, "word-twin", key=True)


@rule("survey-circle")
def superseded(draft: Draft) -> Iterator[Problem]:
    """A survey that is superseded by itself, or by one that it supersedes.

    Readers are sent on and on.
    Name the newest of them in the others, and nothing in it.
    """
    surveys = draft.entries["surveys"]
    for document, entry_id, survey in draft.all("surveys"):
        passed, here = {entry_id}, survey.superseded_by
        while here in surveys and here not in passed:
            passed.add(here)
            here = surveys[here].superseded_by
        if here == entry_id:
            yield document.problem(("superseded_by",), "leads back to this survey", "survey-circle")
