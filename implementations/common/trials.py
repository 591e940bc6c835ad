"""Trials of recipes under one budget: which recipe is the best, and whether method and baseline were tuned alike. No torch here.

The rule: under each budget (backbone with its strides, epochs, input size) baseline and method have the same number of trials;
the recipe is the best of them on validation; and it doesn't lie at the edge of what was tried. Further trials of one of them, as
one beyond an edge, aren't counted if none is better than the best of its first N, where the other has N: they can't have helped.
Several seeds of a recipe are one trial, with their mean; all recipes of a budget, the baseline's too, are tried with the same
seeds on the same validation images. Of a recipe that was tried again with a seed, as after a change of the code, the last trial
counts.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from implementations.common.recipes import flat
from implementations.common.records import Budget, Trial

UNEQUAL, NOT_BEST, AT_EDGE = "unequal trials", "not the best", "at the edge"
"""What may be wrong with how a recipe was found."""
TIE = 1e-9
"""Means of shares that differ by no more are equal."""
Bounds = Mapping[str, tuple[float | None, float | None]]
"""Of a setting, the lowest and the highest value that it can have; None: it has no such end."""


@dataclass(frozen=True)
class Tried:
    """A recipe that was tried, with one seed or several."""

    trials: tuple[Trial, ...]

    @cached_property
    def top1(self) -> float:
        """The mean over seeds, on validation."""
        return math.fsum(trial.validation_top1 for trial in self.trials) / len(self.trials)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The recipe's single values: under one budget, those of the budget are alike."""
        return settings(self.trials[0].recipe)


def settings(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's single values by name. A backbone's rate that isn't set is the rate of the rest."""
    found = flat(recipe)
    return found | {"backbone_lr": found.get("lr") if found.get("backbone_lr") is None else found["backbone_lr"]}


def of_budget(trials: Sequence[Trial], budget: Budget, variant: str | None = None) -> list[Tried]:
    """The recipes of a method (or of its variant) that were tried under a budget, in the order of their first trials."""
    groups: dict[str, dict[int, Trial]] = {}
    for trial in trials:
        if trial.budget == budget and trial.variant == variant:
            groups.setdefault(json.dumps(settings(trial.recipe), sort_keys=True), {})[trial.seed] = trial
    return [Tried(tuple(group.values())) for group in groups.values()]


def best(found: Sequence[Tried]) -> list[Tried]:
    """The recipe with the highest accuracy on validation; several where they tie."""
    highest = max(one.top1 for one in found)
    return [one for one in found if one.top1 >= highest - TIE]


def varied(found: Sequence[Tried]) -> dict[str, list[Any]]:
    """The settings in which recipes differ, each with its values, one a recipe; one rate stands for two that are always alike."""
    names = dict.fromkeys(name for one in found for name in one.settings)
    columns = {name: [one.settings.get(name) for one in found] for name in names}
    if columns.get("backbone_lr") == columns.get("lr"):
        columns.pop("backbone_lr", None)
    return {name: values for name, values in columns.items() if any(value != values[0] for value in values)}


def named(budget: Budget) -> str:
    """A budget in words."""
    return f"{budget.network}, {budget.epochs} epochs at {budget.input_size} px"


def problems(
    found: Sequence[Tried], recipe: Mapping[str, Any], baseline: Sequence[Tried] | None, bounds: Bounds
) -> Iterator[tuple[str, str]]:
    """What is wrong with how a recipe was found, as kind and sentence.

    `found` and `baseline` are what was tried of the method and of the baseline under one budget (None: it is the baseline that is
    looked at), `recipe` is the one that it is run with.
    """
    yield from ((UNEQUAL, sentence) for sentence in _unequal(found, baseline))
    if not found:
        return
    mine, first = settings(recipe), best(found)[0]
    chosen = next((one for one in found if one.settings == mine), None)
    if chosen is None:
        yield NOT_BEST, f"its recipe isn't among its trials; the best of them has {_apart(first.settings, mine)}"
    elif chosen not in best(found):
        yield (
            NOT_BEST,
            f"its recipe has {100 * chosen.top1:.1f}% on validation, where the best of its trials has {100 * first.top1:.1f}%,"
            f" with {_apart(first.settings, mine)}",
        )
    yield from ((AT_EDGE, sentence) for sentence in edges(found, chosen if chosen in best(found) else first, bounds))


def _unequal(found: Sequence[Tried], baseline: Sequence[Tried] | None) -> Iterator[str]:
    """Where the method and the baseline weren't tried alike."""
    looked = Counter(trial.dataset.validation for one in (*found, *(baseline or ())) for trial in one.trials)
    if len(looked) > 1:
        numbers = " and ".join(f"{count} on {images}" for images, count in sorted(looked.items()))
        yield f"its trials and the baseline's weren't looked at on the same number of validation images: {numbers}"
    seeds = {tuple(sorted(trial.seed for trial in one.trials)) for one in (*found, *(baseline or ()))}
    if len(seeds) > 1:
        listed = " or ".join(", ".join(map(str, some)) for some in sorted(seeds))
        yield f"not every recipe was tried with the same seeds, some with {listed}, so they can't be compared"
    if baseline is None:
        if not found:
            yield "the baseline has no trial of its recipe"
        return
    ours, theirs = len(found), len(baseline)
    if ours != theirs and _further_helped(*((found, theirs) if ours > theirs else (baseline, ours))):
        yield f"it has {_trials(ours)} of its recipe, the baseline has {theirs}: both need the same number"
    elif not found and not baseline:
        yield "neither it nor the baseline has a trial of its recipe"


def _further_helped(found: Sequence[Tried], count: int) -> bool:
    """Whether the best is none of the first `count`."""
    return not count or best(found)[0].top1 > best(found[:count])[0].top1 + TIE


def _trials(count: int) -> str:
    return f"{count or 'no'} trial{'' if count == 1 else 's'}"


def _apart(best_settings: Mapping[str, Any], mine: Mapping[str, Any]) -> str:
    """In which settings two recipes differ: the first's values, and the second's in brackets."""
    names = [name for name in {**best_settings, **mine} if best_settings.get(name) != mine.get(name)]
    return ", ".join(f"{name} {best_settings.get(name)} (not {mine.get(name)})" for name in names)


def edges(found: Sequence[Tried], chosen: Tried, bounds: Bounds) -> list[str]:
    """For each number that was varied: whether the chosen recipe has the lowest or highest that was tried, and it could go on."""
    sentences = []
    for name, values in varied(found).items():
        numbers, value = sorted({value for value in values if _is_number(value)}), chosen.settings.get(name)
        if len(numbers) > 1 and _is_number(value):
            sides = [side for side, end in (("lowest", numbers[0]), ("highest", numbers[-1])) if value == end]
            sentences += [
                f"its {name} of {value} is the {side} of the {len(numbers)} tried: one more trial beyond it is due"
                for side in sides
                if not _is_bound(value, side, bounds.get(name, (None, None)))
            ]
    return sentences


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_bound(value: float, side: str, ends: tuple[float | None, float | None]) -> bool:
    """Whether nothing can be tried beyond: below 0, below 1 of what is counted, or what the method says."""
    low, high = ends
    natural = side == "lowest" and (value == 0 or (value == 1 and isinstance(value, int)))
    return natural or (value == low if side == "lowest" else value == high)
