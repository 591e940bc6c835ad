"""Where evidence points, and what is found without looking at the image: by numbers that a person can check."""

from __future__ import annotations

import pytest
import torch
from accelerate import Accelerator

from implementations.common import evaluate
from implementations.common.data import Split
from implementations.common.records import EVIDENCE, FIXED_POINT_PER_FAMILY, Pointing, decode_hits
from tests.implementations.toys import Toy, build


class Linear(Toy):
    """Two classes whose outputs are sums of a few pixels of images of 24 × 24."""

    def forward(self, images):
        red, blue = images[:, 0], images[:, 2]
        return torch.stack([red[:, 5, 5] - 2 * blue[:, 5, 5], 7 * red[:, 0, 0]], dim=1) * self.classifier.weight.sum().sign()


def looking(kind, **changes):
    method = build(kind, **changes)
    torch.nn.init.ones_(method.classifier.weight)
    return method.eval()


def test_the_input_gradient_is_that_of_the_predicted_class_summed_over_channels_and_averaged_over_windows():
    images = torch.zeros(2, 3, 24, 24, dtype=torch.float64)
    images[0, 0, 5, 5], images[1, 0, 0, 0] = 1, 1
    method = looking(Linear)
    with torch.no_grad():
        first, second = evaluate.input_gradient(method, images)
    expected = torch.zeros(2, 24, 24, dtype=torch.float64)
    expected[0, 4:7, 4:7] = (1 + 2) / 9  # windows of 3 × 3 pixels: a twelfth of the side, and odd
    expected[1, :2, :2] = 7 / 9
    assert torch.allclose(first, expected[0])
    assert torch.allclose(second, expected[1])
    assert not images.requires_grad
    assert all(parameter.grad is None for parameter in method.parameters())


def test_a_peak_is_the_middle_of_the_pixel_where_the_enlarged_map_is_largest():
    maps = torch.zeros(2, 5, 5)
    maps[0, 2, 2], maps[1, 3, 1] = 1, 1
    assert evaluate.peaks(maps, 15).tolist() == [[7.5, 7.5], [4.5, 10.5]]


def test_a_box_grows_by_a_thirty_second_of_the_side_within_the_picture_and_holds_its_first_pixels_but_not_its_ends():
    boxes = evaluate.with_tolerance(torch.tensor([[30, 40, 36, 50], [0, 1, 95, 96]]), 96)
    assert boxes.tolist() == [[27, 37, 39, 53], [0, 0, 96, 96]]
    points = torch.tensor([[27.0, 37.0], [38.9, 52.9], [39.0, 45.0], [30.0, 53.0]])
    assert evaluate.inside(points, boxes[0]).tolist() == [True, True, False, False]


def boxed(labels: list[int], boxes: list[list[int]], pixels: torch.Tensor | None = None) -> Split:
    pixels = torch.zeros(len(labels), 3, 32, 32, dtype=torch.uint8) if pixels is None else pixels
    return Split(labels, pixels.__getitem__, torch.tensor(boxes))


def test_what_is_found_without_looking():
    """Of 32 × 32 pixels, so that boxes grow by one: family 0 has its part at the top left, family 1 in the middle."""
    train = boxed([0, 1, 2, 2], [[1, 1, 3, 3], [2, 2, 4, 4], [15, 15, 17, 17], [14, 14, 18, 18]])
    test = boxed([0, 1, 2, 3], [[1, 1, 3, 3], [9, 9, 11, 11], [15, 15, 17, 17], [1, 1, 3, 3]])
    found = evaluate.blind_guesses(train, test, (0, 0, 1, 1), 32)
    assert {name: chances.tolist() for name, chances in found.items()} == {
        "random point": [16 / 1024] * 4,
        "image centre": [0, 0, 1, 0],
        "one fixed point": [1, 0, 0, 1],  # the first of the pixels in which two training boxes meet lies at the top left
        FIXED_POINT_PER_FAMILY: [1, 0, 1, 0],
    }


class TwoMaps(Toy):
    def evidence_maps(self, images):
        return super().evidence_maps(images) | {"darkest": -images.mean(1) + 1}


def test_every_map_of_a_method_is_told_by_image_whether_it_peaks_in_the_part():
    pixels = torch.full((3, 3, 16, 16), 128, dtype=torch.uint8)
    pixels[:, :, 3, 4], pixels[:, :, 12, 10] = 255, 100  # x before y in a box
    split = boxed([0, 1, 2], [[4, 3, 5, 4], [3, 4, 4, 5], [10, 12, 11, 13]], pixels)
    found = evaluate.pointing(looking(TwoMaps), split, Accelerator(cpu=True))
    assert found == {EVIDENCE: [True, False, False], "darkest": [False, False, True]}


def test_without_boxes_nothing_is_told():
    assert evaluate.pointing(looking(Toy), Split([0], lambda index: torch.zeros(3, 16, 16)), Accelerator(cpu=True)) is None


@pytest.mark.parametrize(("chances", "share", "kept"), [([1, 0, 0, 1, 1], 0.6, True), ([0.25, 0.5, 0.0], 0.25, False)])
def test_a_record_keeps_hits_where_there_are_any(chances, share, kept):
    pointing = Pointing.of(chances)
    assert pointing.share == pytest.approx(share)
    assert (decode_hits(pointing.hits, len(chances)) == chances) if kept else (pointing.hits is None)
