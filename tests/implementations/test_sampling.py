"""Batches of a few classes: how many images of each, in what turn, and what a class with too few does."""

from __future__ import annotations

import random
from collections import Counter

from implementations.common.sampling import by_class, random_classes, rounds_of_classes

LABELS = [0] * 5 + [1] * 4 + [2] * 1 + [3] * 6


def of(batch):
    return Counter(LABELS[index] for index in batch)


def test_each_batch_has_so_many_images_of_each_of_its_classes_and_other_batches_have_other_classes():
    batches = random_classes(LABELS, 3, 2, 20, random.Random(0))
    assert [sorted(of(batch).values()) for batch in batches] == [[2, 2, 2]] * 20
    assert len({tuple(sorted(of(batch))) for batch in batches}) == 4


def test_a_classs_images_come_in_turn_and_are_different_within_a_batch():
    batches = random_classes([0] * 4 + [1] * 4, 2, 2, 4, random.Random(0))
    first, second = (Counter(index for batch in half for index in batch) for half in (batches[:2], batches[2:]))
    assert first == second == Counter(range(8))


def test_a_class_with_too_few_images_is_filled_up_or_comes_once():
    filled, short = (random_classes(LABELS, 4, 3, 10, random.Random(0), fill=fill) for fill in (True, False))
    assert {of(batch)[2] for batch in filled} == {3}
    assert {of(batch)[2] for batch in short} == {1}


def test_with_fewer_classes_than_asked_for_a_batch_has_all_of_them():
    assert {tuple(sorted(of(batch))) for batch in random_classes(LABELS, 9, 1, 5, random.Random(0))} == {(0, 1, 2, 3)}
    assert {len(batch) for batch in rounds_of_classes(LABELS, 2, 100, random.Random(0))} == {8}


def test_in_rounds_every_class_gives_its_next_images_before_any_gives_more():
    batches = rounds_of_classes([0] * 4 + [1] * 4 + [2] * 6, 2, 6, random.Random(0))
    assert [sorted(Counter(min(index // 4, 2) for index in batch).values()) for batch in batches] == [[2, 2, 2]] * 2
    assert len({index for batch in batches for index in batch}) == 12


def test_classes_keep_the_order_of_their_first_images():
    assert list(by_class([3, 1, 3, 0]).items()) == [(3, [0, 2]), (1, [1]), (0, [3])]
