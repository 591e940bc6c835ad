"""How far a claim can be trusted follows from its sources."""

from __future__ import annotations

import pytest

from tools.schema import Result
from tools.trust import agrees, level


def result(*sources: dict) -> Result:
    return Result.model_validate(
        {"dataset": "d", "metric": "top-1", "value": 86.58, "backbone": "vgg-19", "sources": list(sources)}
    )


@pytest.mark.parametrize(
    ("value", "stated", "same"),
    [
        (86.58, 86.5, True),  # cut off
        (86.58, 86.6, True),  # rounded
        (86.58, 87.0, False),
        (86.58, 86.57, False),
        (90.0, 89.9, False),
        (88.25, 88.2, True),
        (88.25, 88.3, True),
        (91.7, 91.7, True),
    ],
)
def test_values_agree_at_the_coarser_ones_digits(value, stated, same):
    assert agrees(value, stated) is same
    assert agrees(stated, value) is same


@pytest.mark.parametrize(("source", "expected"), [
    ("paper", "sourced"), ("abstract", "sourced"), ("authors", "sourced"), ("third-party", "listed"), ("seed-list", "listed"),
])  # fmt: skip
def test_one_first_hand_source_makes_a_claim_sourced(source, expected):
    assert level(result({"from": "seed-list", "value": 86.5}, {"from": source, "value": 86.58})) == expected


def test_a_first_hand_source_of_another_value_supports_nothing():
    assert level(result({"from": "paper", "value": 85.0}, {"from": "seed-list", "value": 86.5})) == "listed"


def test_a_first_hand_source_of_another_protocol_supports_nothing():
    assert level(result({"from": "paper", "value": 86.58, "said": {"backbone": "vgg-16"}})) == "listed"
