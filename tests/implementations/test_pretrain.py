"""The pretraining of the shipped backbones: a box follows its image, and says which places it covers."""

from __future__ import annotations

import json

import pytest
import torch

from implementations.common import backbones, finches
from implementations.common.pretrain import OF, SPECIES_SEED, augment, covered
from implementations.common.weights import SHIPPED


def test_a_box_is_flipped_and_shifted_with_its_image():
    torch.manual_seed(0)
    pixels = torch.zeros(8, 3, 32, 32, dtype=torch.uint8)
    pixels[:, :, 10:14, 12:18] = 255
    images, boxes = augment(pixels, torch.tensor([[12.0, 10.0, 18.0, 14.0]]).expand(8, 4))
    assert len({tuple(box) for box in boxes.tolist()}) == 2  # flipped or not; all are shifted alike
    for image, box in zip(images, boxes.int().tolist(), strict=True):
        left, top, right, bottom = box
        assert (image[:, top:bottom, left:right] == 1).all()
        assert (image == 1).sum() == 3 * 4 * 6


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([8.0, 0.0, 16.0, 8.0], [1]),
        ([10.0, 2.0, 12.0, 4.0], [1]),
        ([4.0, 4.0, 12.0, 12.0], [0, 1, 4, 5]),
        ([0.0, 0.0, 10.0, 8.0], [0]),
        ([0.0, 0.0, 11.0, 8.0], [0, 1]),
    ],
    ids=["one place", "a speck in it", "a quarter of four", "a quarter of a second", "three eighths of a second"],
)
def test_a_place_is_covered_by_three_tenths_or_where_nothing_is_more(box, expected):
    assert covered(torch.tensor([box]), 4, 32)[0].nonzero()[:, 0].tolist() == expected


@pytest.mark.parametrize("name", backbones.OWN)
def test_the_record_tells_how_the_weights_were_made(name):
    record = json.loads((SHIPPED / f"{name}.json").read_text(encoding="utf-8"))
    assert record["drawing"] == {"version": finches.VERSION, "seed": SPECIES_SEED}
    assert record["pretraining"] == {field: getattr(OF[name], field) for field in record["pretraining"]}
    assert name in record["command"]
    base, arguments = backbones.OWN[name]
    assert record["backbone"] == {"timm": base, **{key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}}
