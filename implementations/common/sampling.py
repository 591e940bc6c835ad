"""Batches of a few classes with several images of each, for methods that compare images; papers differ in the arguments."""

from __future__ import annotations

import random
from collections.abc import Sequence


def by_class(labels: Sequence[int]) -> dict[int, list[int]]:
    """Each class's images, as indices; classes in the order in which they appear."""
    found: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        found.setdefault(label, []).append(index)
    return found


def random_classes(
    labels: Sequence[int], classes: int, each: int, count: int, rng: random.Random, *, fill: bool = True
) -> list[list[int]]:
    """`count` batches: `classes` classes drawn for each (all, where there are fewer), and of each its next `each` images.

    A class's images come in turn, in an order that is shuffled anew when too few are left. Of a class with fewer images than
    `each`, some appear more than once; without `fill`, each appears once.
    """
    of_class = by_class(labels)
    queues: dict[int, list[int]] = {label: [] for label in of_class}
    batches = []
    for _ in range(count):
        batch: list[int] = []
        for label in rng.sample(sorted(of_class), min(classes, len(of_class))):
            if len(queues[label]) < each:
                queues[label] = _shuffled(of_class[label], each if fill else 0, rng)
            batch += queues[label][:each]
            queues[label] = queues[label][each:]
        batches.append(batch)
    return batches


def rounds_of_classes(labels: Sequence[int], each: int, size: int, rng: random.Random) -> list[list[int]]:
    """Round by round, the next `each` images of every class, with the classes in random order; what fills no batch is left out.

    Of a class with fewer images than `each`, some appear more than once.
    """
    each = min(each, size)
    of_class = by_class(labels)
    size = each * min(size // each, len(of_class))
    rounds: dict[int, list[list[int]]] = {}
    for found in of_class.values():
        order = _shuffled(found, each, rng)
        for start in range(0, len(order) - each + 1, each):
            rounds.setdefault(start, []).append(order[start : start + each])
    batches = []
    for groups in rounds.values():
        order = [index for group in rng.sample(groups, len(groups)) for index in group]
        batches += [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
    return batches


def _shuffled(found: Sequence[int], least: int, rng: random.Random) -> list[int]:
    """The images in random order; where they are fewer than `least`, as many more, drawn from them."""
    return rng.sample(found, len(found)) + rng.choices(found, k=max(0, least - len(found)))
