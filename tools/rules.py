"""What one entry's model can't see: references, duplicates, and claims against their sources.

A rule is a small generator of problems from everything that was read. Its docstring says what is wrong, why it matters, and
how to mend it; `python -m tools.check_catalog --explain ID` prints it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from decimal import Decimal

from tools.catalog import Draft
from tools.normalize import differs_from_normal_form
from tools.problems import Problem, nearest, rule
from tools.reading import Document, Location
from tools.schema import Correction, Dataset, Link, Paper, Protocol, Result
from tools.trust import LEVELS, agrees, differs

Problems = Iterator[Problem]
PROTOCOL_KEY = "dataset metric split labels variant backbone pretraining input_size extra test_time".split()
"""The fields that tell one claim of a paper from another."""


def check(draft: Draft) -> list[Problem]:
    """All rules over all entries that could be read."""
    return [problem for check_rule in CHECKS for problem in check_rule(draft)]


# ---------------------------------------------------------------------------------------------------------- references


@rule("vocabulary-unknown")
def vocabulary(draft: Draft) -> Problems:
    """A word that catalog.yaml's vocabulary doesn't have.

    One spelling a thing is what makes papers and results comparable.
    Use the word that the message suggests, or add yours to catalog.yaml with its definition.
    """
    if draft.manifest is None:
        return
    for document, _, entry in draft.all(*draft.entries):
        for location, word, vocabulary_name in _words(entry):
            known = getattr(draft.manifest, vocabulary_name)
            if word not in known:
                message = f'no "{word}" among the {vocabulary_name} of catalog.yaml{nearest(word, known)}'
                yield document.problem(location, message, "vocabulary-unknown")


def _words(entry: object) -> Iterator[tuple[Location, str, str]]:
    """Every use of the vocabulary: where, the word, and the name of its vocabulary."""
    if getattr(entry, "venue", None):
        yield ("venue",), entry.venue, "venues"
    for name in ("approaches", "mechanisms"):
        for index, word in enumerate(getattr(entry, name, None) or ()):
            yield (name, index), word, name
    for location, protocol in _protocols(entry):
        for name, vocabulary_name in (("metric", "metrics"), ("backbone", "backbones"), ("pretraining", "pretraining")):
            if getattr(protocol, name):
                yield (*location, name), getattr(protocol, name), vocabulary_name
        for name, vocabulary_name in (("extra", "extras"), ("test_time", "test_time")):
            for index, word in enumerate(getattr(protocol, name) or ()):
                yield (*location, name, index), word, vocabulary_name


@rule("reference-unknown")
def references(draft: Draft) -> Problems:
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
    for document, _, entry in draft.all(*draft.entries):
        for location, protocol in _protocols(entry):
            yield document, (*location, "dataset"), protocol.dataset, "datasets"
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
def leaderboard_metrics(draft: Draft) -> Problems:
    """A leaderboard for a metric, or on a split, that isn't there, or a second one for the same dataset and metric.

    A leaderboard of nothing would be an empty page, and two would be one page written twice.
    Use a metric of catalog.yaml and a split of the dataset's entry; keep one leaderboard each.
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
        if (board.dataset, board.metric) in seen:
            message = f"a second leaderboard for {board.dataset}, {board.metric}; keep one"
            yield document.problem(at, message, "leaderboard-metric-unknown")
        seen.add((board.dataset, board.metric))


@rule("split-unknown")
def splits(draft: Draft) -> Problems:
    """A result on a split, or at a level of labels, that its dataset doesn't have.

    Results are divided by the number of the split's images, and compared at one level of labels only.
    Use a split or level of the dataset's entry, or add it there with its number and source.
    """
    for document, _, entry in draft.all("papers"):
        for location, protocol in _protocols(entry):
            dataset: Dataset | None = draft.entries["datasets"].get(protocol.dataset)
            for name, word, known in (
                ("split", protocol.split, dataset.splits if dataset else ()),
                ("labels", protocol.labels, (dataset.levels or ()) if dataset else ()),
            ):
                if dataset and word and word not in known:
                    message = f'{protocol.dataset} has no {name} "{word}"{nearest(word, known)}'
                    yield document.problem((*location, name), message, "split-unknown")


@rule("formerly-taken")
def formerly(draft: Draft) -> Problems:
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


# ---------------------------------------------------------------------------------------------------------- duplicates


@rule("duplicate-paper")
def duplicate_papers(draft: Draft) -> Problems:
    """Two entries for the same paper: the same arXiv id, DOI or title.

    Its results would be counted twice, and one of the two would be forgotten.
    Join the two entries; keep the older id, and give the other one's under `formerly`.
    """
    for name, location, identity in IDENTITIES:
        seen: dict[str, str] = {}
        for document, entry_id, entry in draft.all("papers", "surveys"):
            value = identity(entry)
            if value and seen.setdefault(value, entry_id) != entry_id:
                message = f"{seen[value]} has the same {name}; one entry a paper"
                yield document.problem(location, message, "duplicate-paper")


def _normalised_title(entry: Paper) -> str:
    plain = unicodedata.normalize("NFKD", entry.title).casefold()
    return "".join(character for character in plain if character.isalnum())


IDENTITIES: tuple[tuple[str, Location, Callable], ...] = (
    ("arXiv id", ("ids", "arxiv"), lambda entry: entry.ids and entry.ids.arxiv),
    ("DOI", ("ids", "doi"), lambda entry: entry.ids and entry.ids.doi and entry.ids.doi.lower()),
    ("title", ("title",), _normalised_title),
)


@rule("duplicate-claim")
def duplicate_claims(draft: Draft) -> Problems:
    """Two results of a paper for the same claim.

    The same claim stands once, with everyone who states it among its sources.
    Join the sources of the two; or, if they were measured differently, say how (variant, backbone, input_size, …).
    """
    for document, _, paper in draft.all("papers"):
        seen: dict[str, int] = {}
        for index, result in enumerate(paper.results or ()):
            key = repr([getattr(result, name) for name in PROTOCOL_KEY])
            if seen.setdefault(key, index) != index:
                message = f"the same claim as results[{seen[key]}]; join their sources, or say what differs"
                yield document.problem(("results", index), message, "duplicate-claim")


@rule("alias-taken")
def aliases(draft: Draft) -> Problems:
    """A venue's alias that names another venue too.

    A tool that reads "MM" has to know one venue that it means.
    Remove the alias from one of them.
    """
    owners: dict[str, str] = {}
    for venue_id, venue in draft.manifest.venues.items() if draft.manifest else ():
        for name in dict.fromkeys((venue.name, venue.short, *(venue.aliases or ()))):
            if owners.setdefault(name.casefold(), venue_id) != venue_id:
                location = ("venues", venue_id)
                message = f'"{name}" names the venue {owners[name.casefold()]} already'
                yield draft.documents["catalog.yaml"].problem(location, message, "alias-taken")


# ------------------------------------------------------------------------------------------------------------- results


@rule("metric-bounds")
def metric_bounds(draft: Draft) -> Problems:
    """A value that its metric can't take.

    Accuracy is given in percent, from 0 to 100; 0.917 and 917 are slips.
    Give the value in the metric's unit.
    """
    for document, _, entry in draft.all("papers"):
        for location, protocol in _protocols(entry):
            metric = draft.manifest and draft.manifest.metrics.get(protocol.metric)
            if metric is None:
                continue
            low, high = metric.bounds
            for where, value in _values(protocol):
                if not low <= value <= high:
                    message = f"found {value:g}, expected {low:g} to {high:g} ({metric.name}, {metric.unit or 'no unit'})"
                    yield document.problem((*location, *where), message, "metric-bounds")


def _values(protocol: Protocol) -> Iterator[tuple[Location, float]]:
    yield ("value",), protocol.value
    for index, run in enumerate(protocol.runs or ()):
        yield ("runs", index), run
    for index, source in enumerate(protocol.sources if isinstance(protocol, Result) else ()):
        yield ("sources", index, "value"), source.value


@rule("runs-mean")
def runs_mean(draft: Draft) -> Problems:
    """A value that isn't the mean of the runs beside it.

    Either a run is missing, or the value was copied from elsewhere.
    Give the mean of the runs, or the runs that the value is the mean of.
    """
    for document, _, entry in draft.all("papers"):
        for location, protocol in _protocols(entry):
            runs = [Decimal(str(run)) for run in protocol.runs or ()]
            if runs and not agrees(float(sum(runs) / len(runs)), protocol.value):
                message = f"found {protocol.value:g}, but the runs' mean is {sum(runs) / len(runs):.3f}"
                yield document.problem((*location, "value"), message, "runs-mean")


@rule("correction-missing")
def corrections(draft: Draft) -> Problems:
    """The list we started from says something else than the result, and no correction tells why.

    A reader who knows the list has to see that the difference is meant, and how one can check it.
    Add an entry under `corrections` with the field (results.value, results.backbone, …), the dataset and the evidence.
    """
    for document, _, paper in draft.all("papers"):
        for index, result in enumerate(paper.results or ()):
            for number, source in enumerate(result.sources):
                if source.source != "seed-list" or not differs(result, source):
                    continue
                named = [f"results.{name}" for name in source.said or ()]
                named += [] if agrees(result.value, source.value) else ["results.value"]
                for name in named:
                    if not any(_corrects(c, name, result) for c in paper.corrections or ()):
                        message = f"differs from the result; expected a correction of {name} on {result.dataset}"
                        yield document.problem(("results", index, "sources", number), message, "correction-missing")


def _corrects(correction: Correction, name: str, result: Result) -> bool:
    return correction.field == name and correction.dataset == result.dataset


@rule("protocol-field-unknown")
def protocol_fields(draft: Draft) -> Problems:
    """`said` or `fields` names something that isn't a field of a result's protocol.

    They tell where a field was read, or what a source says of it.
    Use the field's name: backbone, pretraining, input_size, …
    """
    known = Protocol.model_fields
    for document, _, paper in draft.all("papers"):
        for index, result in enumerate(paper.results or ()):
            places = [(("results", index, "fields"), result.fields)]
            places += [(("results", index, "sources", n, "said"), s.said) for n, s in enumerate(result.sources)]
            for location, mapping in places:
                for word in mapping or ():
                    if word not in known or (location[-1] == "fields" and getattr(result, word) is None):
                        reason = "isn't stated by the result" if word in known else "isn't a field of a result"
                        message = f'"{word}" {reason}{nearest(word, known) if word not in known else ""}'
                        yield document.problem((*location, word), message, "protocol-field-unknown", key=True)


@rule("results-missing")
def results_missing(draft: Draft) -> Problems:
    """A paper has results, or says why it has none.

    A paper without results looks like one that nobody has read.
    Add its results; or say under `no_results` why there are none to enter.
    """
    for document, _, paper in draft.all("papers"):
        if bool(paper.results) == bool(paper.no_results):
            found = "both results and no_results" if paper.results else "neither results nor no_results"
            yield document.problem((), f"found {found}, expected one of them", "results-missing")


@rule("implementation-claim")
def implementation_claims(draft: Draft) -> Problems:
    """An implementation's claim selects exactly one of its paper's results, and its file is there.

    The number that the implementation is measured against has to be one that the catalog holds.
    Give dataset, metric and value of the result, and backbone or variant where several share them.
    """
    for document, entry_id, paper in draft.all("papers"):
        if paper.implementation is None:
            continue
        expected = f"implementations/{entry_id.replace('-', '_')}.py"
        if paper.implementation.file != expected or not (draft.root / expected).is_file():
            message = f"expected the file {expected}, which {'has another name here' if (draft.root / expected).is_file() else 'does not exist'}"
            yield document.problem(("implementation", "file"), message, "implementation-claim")
        claim = {k: v for k, v in paper.implementation.claim.model_dump().items() if v is not None}
        count = sum(all(getattr(result, k) == v for k, v in claim.items()) for result in paper.results or ())
        if count != 1:
            message = f"selects {count} of the paper's results, expected exactly one"
            yield document.problem(("implementation", "claim"), message, "implementation-claim")


# ----------------------------------------------------------------------------------------------------- links and dates


@rule("link-https")
def https(draft: Draft) -> Problems:
    """An address is https; http only where the host has no https, and then `https: false` says so.

    Browsers warn of http, and anyone on the way can change what it brings.
    Write https, or add `https: false` to the link after trying the https address.
    """
    for document, location, link in _links(draft):
        if link.url.startswith("http://") != (link.https is False):
            http = link.url.startswith("http://")
            message = "found http; write https, or add `https: false` where the host has none" if http else (
                "the address is https, but `https: false` says that the host has none; remove one"
            )
            yield document.problem((*location, "url"), message, "link-https")


@rule("link-arxiv")
def arxiv_links(draft: Draft) -> Problems:
    """A link to arXiv leads to the paper's abstract page, whatever its version.

    A PDF pinned to v1 hides that the paper was corrected, published or withdrawn since.
    Write https://arxiv.org/abs/2103.07976.
    """
    for document, location, link in _links(draft):
        if re.match(r"https?://(www\.|export\.)?arxiv\.org/", link.url) and not re.fullmatch(
            r"https://arxiv\.org/abs/(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})", link.url
        ):
            message = "expected the abstract page without a version, such as https://arxiv.org/abs/2103.07976"
            yield document.problem((*location, "url"), message, "link-arxiv")


def _links(draft: Draft) -> Iterator[tuple[Document, Location, Link]]:
    for document, _, entry in draft.all(*draft.entries):
        for name in ("links", "downloads"):
            for index, link in enumerate(getattr(entry, name, None) or ()):
                yield document, (name, index), link


@rule("year-range")
def years(draft: Draft) -> Problems:
    """A year lies between 1990 and the year after the entry was added.

    Anything else is a slip of the finger.
    Give the year of the venue.
    """
    for document, _, entry in draft.all(*draft.entries):
        last = entry.added.year + 1
        if not 1990 <= entry.year <= last:
            message = f"found {entry.year}, expected 1990 to {last} (the year after `added`)"
            yield document.problem(("year",), message, "year-range")


@rule("levels-defined")
def levels(draft: Draft) -> Problems:
    """catalog.yaml defines the levels of trust that are computed, and no other.

    A level without a meaning can't be shown, and a meaning without a level promises what nobody computes.
    Keep `levels` in catalog.yaml and tools/trust.py in step.
    """
    if draft.manifest and tuple(draft.manifest.levels) != LEVELS:
        message = f"found {', '.join(draft.manifest.levels)}, expected {', '.join(LEVELS)}"
        yield draft.documents["catalog.yaml"].problem(("levels",), message, "levels-defined")


@rule("not-normal")
def normal_form(draft: Draft) -> Problems:
    """An entry is written in its normal form: order of keys, quotes, folding and indentation.

    With one form, a change shows as what it changes.
    Run `python -m tools.normalize FILE`: it rewrites the file, keeps its comments, and changes no fact.
    """
    for document, _, entry in draft.all(*draft.entries):
        line = differs_from_normal_form(document, type(entry))
        if line:
            message = f"not in normal form; run `python -m tools.normalize {document.path}`"
            yield Problem(document.path, line, 1, "", message, "not-normal")


def _protocols(entry: object) -> Iterator[tuple[Location, Protocol]]:
    """Every measured value of an entry, and where it stands."""
    for name in ("results", "reproductions"):
        for index, protocol in enumerate(getattr(entry, name, None) or ()):
            yield (name, index), protocol


CHECKS: Collection[Callable[[Draft], Iterable[Problem]]] = (
    vocabulary,
    references,
    leaderboard_metrics,
    splits,
    formerly,
    duplicate_papers,
    duplicate_claims,
    aliases,
    metric_bounds,
    runs_mean,
    corrections,
    protocol_fields,
    results_missing,
    implementation_claims,
    https,
    arxiv_links,
    years,
    levels,
    normal_form,
)
