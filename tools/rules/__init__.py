"""What one entry's model can't see: references, duplicates, and claims against their sources.

A rule is a small generator of problems from everything that was read. Its docstring says what is wrong, why it matters, and
how to mend it; `python -m tools.check_catalog --explain ID` prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from tools.draft import Draft
from tools.problems import Problem
from tools.rules import duplicates, form, identity, references, results

CHECKS: Collection[Callable[[Draft], Iterable[Problem]]] = (
    references.vocabulary,
    references.references,
    references.leaderboards,
    references.splits,
    references.formerly,
    references.unused_words,
    references.twin_words,
    references.superseded,
    duplicates.papers,
    duplicates.claims,
    duplicates.sources,
    duplicates.links_of_one,
    duplicates.links_to_papers,
    duplicates.names,
    duplicates.author_twins,
    duplicates.aliases,
    identity.links_and_ids,
    identity.years_of_preprints,
    identity.dates,
    results.metric_bounds,
    results.runs_mean,
    results.runs_sd,
    results.source_order,
    results.reachable,
    results.corrections,
    results.protocol_fields,
    results.results_missing,
    results.implementation_claims,
    results.unlisted,
    form.https,
    form.arxiv_links,
    form.official,
    form.link_exceptions,
    form.characters_of_texts,
    form.latex,
    form.todo,
    form.author_form,
    form.title_case,
    form.summary_length,
    form.pages,
    form.years,
    form.levels,
    form.normal_form,
)


def errors(draft: Draft) -> list[Problem]:
    """What makes the catalog invalid: in each file by itself, and by all rules."""
    return sorted(problem for problem in (*draft.problems, *check(draft)) if problem.level == "error")


def check(draft: Draft) -> list[Problem]:
    """All rules over all entries that could be read."""
    return [problem for check_rule in CHECKS for problem in check_rule(draft)]
