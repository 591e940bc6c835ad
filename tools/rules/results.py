"""Values against their bounds, their runs and their sources."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tools.draft import Draft
from tools.number import digits
from tools.problems import Problem, nearest, rule
from tools.reading import Location
from tools.schema import Correction, Protocol, Result
from tools.trust import agrees, differs


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
