"""From a map to a crop: what scipy's labelling finds, a box around it, and a closer look at exactly that."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torchvision.ops import box_iou, nms

from implementations.common.regions import (
    bounding_box,
    cell_of_centre,
    crop,
    default_boxes,
    largest_component,
    moved_inside,
    non_maximum_suppression,
    overlap,
)


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


def test_beyond_the_image_a_crop_repeats_its_border():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert crop(image, torch.tensor([[-2.0, 1.0, 2.0, 5.0]]), (4, 4))[0, 0].tolist() == [[1, 2, 3, 3], [1, 2, 3, 3], [1, 2, 3, 3], [5, 6, 7, 7]]


def test_a_crop_has_no_gradient():
    images = torch.randn(1, 3, 8, 8, requires_grad=True)
    assert not crop(images, torch.tensor([[2, 2, 6, 6]])).requires_grad


def test_a_crop_keeps_float32_under_bf16_autocast():
    images, boxes = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)), torch.tensor([[9, 3, 50, 61]])
    with torch.autocast("cpu", torch.bfloat16):
        found = crop(images, boxes)
    assert torch.equal(found, crop(images, boxes))


def test_crops_of_several_boxes_at_another_size_are_those_of_each_box_alone():
    images, boxes = torch.randn(2, 3, 24, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([[[2, 1, 9, 16], [0, 0, 24, 16], [5, 4.5, 12.5, 9]], [[1, 2, 3, 4], [0, 8, 20, 12], [4, 4, 9, 9]]])
    found = crop(images, boxes, (5, 9))
    assert found.shape == (2, 3, 3, 5, 9)
    for place in range(3):
        assert torch.allclose(found[:, place], crop(images, boxes[:, place], (5, 9)), atol=1e-6)
    assert torch.equal(crop(images, torch.tensor([[4, 2, 9, 11]] * 2), (5, 9)).round(decimals=4), images[..., 4:9, 2:11].round(decimals=4))


def test_default_boxes_lie_around_each_cell_in_the_order_of_flattened_scores():
    boxes = default_boxes((2, 3), (20, 60), [(10, 10), (4, 8)])
    assert boxes[[0, 5, 6, 11]].tolist() == [[0, 5, 10, 15], [10, 45, 20, 55], [3, 6, 7, 14], [13, 46, 17, 54]]
    scores = torch.zeros(2, 2, 3)
    scores[1, 0, 2] = 1
    assert boxes[scores.flatten().argmax()].tolist() == [3, 46, 7, 54]


def test_the_cell_in_which_a_boxs_centre_lies():
    boxes = torch.tensor([[0.0, 48, 48, 96], [0, 0, 2, 2], [94, 94, 96, 96]])
    assert cell_of_centre(boxes, (6, 6), (96, 96)).tolist() == [1 * 6 + 4, 0, 35]


def test_boxes_are_moved_inside_as_they_are():
    boxes = torch.tensor([[[-3.0, 2, 5, 10], [4, 16, 12, 24]], [[4, -1, 12, 7], [12, 12, 20, 20]]])
    assert moved_inside(boxes, (14, 20)).tolist() == [[[0, 2, 8, 10], [4, 12, 12, 20]], [[4, 0, 12, 8], [6, 12, 14, 20]]]


def some_boxes(count: int) -> torch.Tensor:
    corners = torch.rand(2, count, 2, generator=torch.Generator().manual_seed(0)).sort(0).values
    return torch.cat([corners[0], corners[1] + 0.1], dim=1)


def test_overlap_is_torchvisions():
    boxes = some_boxes(50)
    assert torch.allclose(overlap(boxes[:20, None], boxes), box_iou(boxes[:20], boxes), atol=1e-6)


@pytest.mark.parametrize("threshold", [0.1, 0.25, 0.7])
def test_suppression_keeps_what_torchvisions_keeps_and_then_the_best_of_the_dropped(threshold):
    boxes, scores = some_boxes(60), torch.randn(8, 60, generator=torch.Generator().manual_seed(1))
    found = non_maximum_suppression(scores, boxes, count=40, threshold=threshold)
    for one, kept in zip(scores, found.tolist(), strict=True):
        expected = nms(boxes, one, threshold).tolist()
        dropped = [place for place in one.argsort(descending=True).tolist() if place not in expected]
        assert kept == (expected + dropped)[:40]


def test_a_worked_suppression_drops_at_the_threshold_and_fills_up():
    boxes = torch.tensor([[1.0, 10, 12, 20], [1, 11, 11, 20], [20, 30, 40, 50], [20, 30, 40, 40]])
    scores = torch.tensor([[0.4, 0.5, 0.55, 0.1], [0.5, 0.4, 0.1, 0.55]])
    assert overlap(boxes[0], boxes[1]).item() == pytest.approx(90 / 110)
    assert overlap(boxes[2], boxes[3]).item() == 0.5
    assert non_maximum_suppression(scores, boxes, count=3, threshold=0.5).tolist() == [[2, 1, 0], [3, 0, 1]]
    assert non_maximum_suppression(scores, boxes, count=3, threshold=0.51).tolist() == [[2, 1, 3], [3, 0, 2]]


def test_equal_scores_are_taken_in_order_and_more_boxes_than_there_are_refused():
    boxes = torch.tensor([[0.0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5]])
    assert non_maximum_suppression(torch.zeros(1, 3), boxes, count=3, threshold=0.5).tolist() == [[0, 1, 2]]
    with pytest.raises(ValueError, match="4 boxes can't be kept of 3"):
        non_maximum_suppression(torch.zeros(1, 3), boxes, count=4, threshold=0.5)
