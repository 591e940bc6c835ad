"""From a map to a crop: what scipy's labelling finds, a box around it, and a closer look at exactly that."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from implementations.common.regions import bounding_box, crop, largest_component


def by_scipy(mask: np.ndarray) -> np.ndarray:
    """The largest 8-connected component, the first in scipy's order on a tie, as RAMS-Trans's official code finds it."""
    numbers, count = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = [int((numbers == number).sum()) for number in range(1, count + 1)]
    return numbers == 1 + int(np.argmax(sizes)) if count else mask


def grid(*rows: str) -> torch.Tensor:
    return torch.tensor([[character == "#" for character in row] for row in rows])[None]


@pytest.mark.parametrize("size", [(12, 12), (7, 7), (5, 9), (1, 6)])
@pytest.mark.parametrize("share", [0.2, 0.4, 0.6])
def test_the_largest_component_is_scipys_on_any_grid(size, share):
    masks = torch.rand(64, *size, generator=torch.Generator().manual_seed(0)) < share
    found = largest_component(masks)
    for mask, one in zip(masks.numpy(), found.numpy(), strict=True):
        assert (one == by_scipy(mask)).all()


def test_the_longest_way_that_a_grid_allows_is_one_component():
    snake = grid(".......", "######.", ".....#.", ".#####.", ".#.....", ".######")
    snake[0, 0, :] = False
    assert torch.equal(largest_component(snake), snake)
    comb = torch.zeros(1, 12, 12, dtype=torch.bool)
    comb[0, ::2] = True
    for row in range(1, 12, 2):
        comb[0, row, -1 if row % 4 == 1 else 0] = True
    assert torch.equal(largest_component(comb), comb)


def test_the_larger_of_two_wins_diagonal_neighbours_belong_together_and_the_first_of_equals_is_taken():
    assert torch.equal(largest_component(grid("##...", ".....", "...#.", "..#.#")), grid(".....", ".....", "...#.", "..#.#"))
    assert torch.equal(largest_component(grid("...##", ".....", "##...")), grid("...##", ".....", "....."))


def test_an_empty_mask_has_no_component_and_its_box_is_the_whole_grid():
    empty = grid("....", "....")
    assert not largest_component(empty).any()
    assert bounding_box(empty).tolist() == [[0, 0, 2, 4]]


def test_a_box_goes_around_what_is_true():
    assert bounding_box(torch.cat([grid("....", ".##.", "..#."), grid("#...", "....", "....")])).tolist() == [[1, 1, 3, 3], [0, 0, 1, 1]]


def test_a_crop_of_the_whole_image_is_the_image():
    images = torch.randn(2, 3, 24, 16, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(crop(images, torch.tensor([[0, 0, 24, 16]] * 2)), images, atol=1e-5)


def test_a_crop_has_the_boxs_corner_pixels_on_its_corners_and_halves_what_lies_between():
    rows, columns = torch.meshgrid(torch.arange(17.0), torch.arange(17.0), indexing="ij")
    ramp = torch.stack([rows, columns])[None]
    (found,) = crop(ramp, torch.tensor([[4, 8, 13, 17]]))
    assert torch.allclose(found[0, :, 0], torch.linspace(4, 12, 17), atol=1e-4)
    assert torch.allclose(found[1, 0], torch.linspace(8, 16, 17), atol=1e-4)


def test_a_crop_has_no_gradient():
    images = torch.randn(1, 3, 8, 8, requires_grad=True)
    assert not crop(images, torch.tensor([[2, 2, 6, 6]])).requires_grad


def test_a_crop_keeps_float32_under_bf16_autocast():
    images, boxes = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)), torch.tensor([[9, 3, 50, 61]])
    with torch.autocast("cpu", torch.bfloat16):
        found = crop(images, boxes)
    assert torch.equal(found, crop(images, boxes))
