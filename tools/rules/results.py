"""Values against their bounds, their runs and their sources."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from statistics import pstdev, stdev
from typing import get_args

from tools.draft import Draft
from tools.number import digits
from tools.problems import Problem, nearest, rule
from tools.reading import Location
from tools.schema import Correction, Protocol, Result, Source
from tools.trust import agrees, differs

STRENGTH = {source: place for place, source in enumerate(get_args(Source))}


@rule("metric-bounds")
def metric_bounds(draft: Draft) -> Iterator[Problem]:
    """A value that its metric can't take.

    Accuracy is given in percent, from 0 to 100; 0.917 and 917 are slips.
    Give the value in the metric's unit.
    """
    for document, location, protocol in draft.protocols():
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
def runs_mean(draft: Draft) -> Iterator[Problem]:
    """A value that isn't the mean of the runs beside it.

    Either a run is missing, or the value was copied from elsewhere.
    Give the mean of the runs, or the runs that the value is the mean of.
    """
    for document, location, protocol in draft.protocols():
        runs = [Decimal(digits(run)) for run in protocol.runs or ()]
        if runs and not agrees(float(sum(runs) / len(runs)), protocol.value):
            message = f"found {protocol.value:g}, but the runs' mean is {sum(runs) / len(runs):.3f}"
            yield document.problem((*location, "value"), message, "runs-mean")


@rule("runs-sd")
def runs_sd(draft: Draft) -> Iterator[Problem]:
    """A standard deviation that isn't that of the runs beside it, neither over n nor over n − 1.

    Either a run is missing, or the value was copied from elsewhere.
    Give the deviation of these runs, or leave it out: the runs tell it.
    """
    for document, location, protocol in draft.protocols():
        if protocol.sd is None or len(protocol.runs or ()) < 2:
            continue
        around = [stdev(protocol.runs), pstdev(protocol.runs)]
        half = 10.0 ** Decimal(digits(protocol.sd)).as_tuple().exponent
        if all(abs(protocol.sd - one) > half for one in around):
            message = f"found {protocol.sd:g}, but the runs' deviation is {around[0]:.3f} (over n: {around[1]:.3f})"
            yield document.problem((*location, "sd"), message, "runs-sd")


@rule("source-order")
def source_order(draft: Draft) -> Iterator[Problem]:
    """A result's sources, the strongest first: paper, abstract, authors, third-party, seed-list.

    The first is what readers follow.
    Put the lines into this order.
    """
    for document, _, paper in draft.all("papers"):
        for index, result in enumerate(paper.results or ()):
            strengths = [STRENGTH[source.source] for source in result.sources]
            for number, (before, here) in enumerate(pairwise(strengths), 1):
                if here < before:
                    message = f"{result.sources[number].source} stands below {result.sources[number - 1].source}"
                    yield document.problem(("results", index, "sources", number), message, "source-order")


@rule("value-unreachable", "note")
def reachable(draft: Draft) -> Iterator[Problem]:
    """A claimed accuracy that no number of right answers gives on that many test images (the GRIM test).

    On 5,794 images an image is 0.017 points: about one two-digit percentage in eight can't come out, rounded or cut off. Such
    a value was measured on other images, averaged (over seeds, classes or devices), or mistyped. Checked only where a single
    image is more than the last digit, for shares of a split's images, and for values that aren't said to be means.
    Compare the value with its source, and the split with what was measured on; where it is a mean, give `runs` or `sd`, where
    fewer images were scored, `images`.
    """
    for document, location, protocol in draft.protocols():
        dataset = draft.entries["datasets"].get(protocol.dataset)
        metric = draft.manifest and draft.manifest.metrics.get(protocol.metric)
        images = protocol.images or (dataset.splits.get(protocol.split) if dataset and protocol.split else None)
        if not images or metric is None or metric.of != "images" or protocol.runs or protocol.sd is not None:
            continue
        if not is_reachable(digits(protocol.value), images):
            message = f"{digits(protocol.value)}% of {images:,} images is no number of images; is it a mean, or of another split?"
            yield document.problem((*location, "value"), message, "value-unreachable")


def is_reachable(percent: str, images: int) -> bool:
    """Whether k of so many images, in percent, round to a value or are cut off to it, at its digits. In whole numbers.

    True as well where the last digit is coarser than an image: then every value is.
    """
    value = Decimal(percent)
    last = 10 ** -min(0, value.as_tuple().exponent)
    units, whole = int(value * last), 100 * last
    if whole <= images:
        return True
    fewest = -(-images * (2 * units - 1) // (2 * whole))
    return fewest * whole < images * (units + 1)


@rule("correction-missing")
def corrections(draft: Draft) -> Iterator[Problem]:
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
def protocol_fields(draft: Draft) -> Iterator[Problem]:
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
def results_missing(draft: Draft) -> Iterator[Problem]:
    """A paper has results, or says why it has none.

    A paper without results looks like one that nobody has read.
    Add its results; or say under `no_results` why there are none to enter.
    """
    for document, _, paper in draft.all("papers"):
        if bool(paper.results) == bool(paper.no_results):
            found = "both results and no_results" if paper.results else "neither results nor no_results"
            yield document.problem((), f"found {found}, expected one of them", "results-missing")


@rule("implementation-claim")
def implementation_claims(draft: Draft) -> Iterator[Problem]:
    """An implementation's claim selects exactly one of its paper's results, and its file is there.

    The number that the implementation is measured against has to be one that the catalog holds.
    Give dataset, metric and value of the result, and backbone or variant where several share them; no claim for a paper that has
    no results.
    """
    for document, entry_id, paper in draft.all("papers"):
        if paper.implementation is None:
            continue
        expected = f"implementations/{entry_id.replace('-', '_')}.py"
        if paper.implementation.file != expected:
            message = f"expected the file {expected}, named as the entry"
            yield document.problem(("implementation", "file"), message, "implementation-claim")
        elif not (draft.root / expected).is_file():
            message = f"the file {expected} doesn't exist"
            yield document.problem(("implementation", "file"), message, "implementation-claim")
        if paper.implementation.claim is None:
            if paper.results:
                message = "names none of the paper's results, expected one under claim"
                yield document.problem(("implementation",), message, "implementation-claim")
            continue
        claim = {k: v for k, v in paper.implementation.claim.model_dump().items() if v is not None}
        count = sum(all(getattr(result, k) == v for k, v in claim.items()) for result in paper.results or ())
        if count != 1:
            message = f"selects {count} of the paper's results, expected exactly one"
            yield document.problem(("implementation", "claim"), message, "implementation-claim")


@rule("implementation-unlisted", "warning")
def unlisted(draft: Draft) -> Iterator[Problem]:
    """A file that implements a paper whose entry doesn't say so.

    Its page would have no word of it, and its claim nothing to be held against.
    Add `implementation` to the entry, with the file and the claim that the file names, once the method is written.
    """
    files = {file.stem for file in (draft.root / "implementations").glob("*.py")}
    for document, entry_id, paper in draft.all("papers"):
        if paper.implementation is None and entry_id.replace("-", "_") in files:
            message = f"implementations/{entry_id.replace('-', '_')}.py is there; expected `implementation` to name it"
            yield document.problem((), message, "implementation-unlisted")
