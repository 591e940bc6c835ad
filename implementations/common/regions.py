"""From a map over a grid to a closer look: a box, or a few of many proposed ones, and the image cut out there.

The box is the one around the map's largest connected region; of proposed boxes, those with the best scores are taken that overlap
little. Boxes are top, left, bottom, right, ends exclusive. All of it is batched and waits for nothing on the host.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from implementations.common.method import at_least_float32


def largest_component(mask: Tensor) -> Tensor:
    """(B, h, w) bool → bool: of cells that touch each other, corners too, the group of most cells.

    On a tie the first, row by row; of an empty mask nothing. Each cell takes over the largest number around it, so often that it
    has come everywhere: a shortest path through a component has at most two of any 2 × 2 cells, as all four are neighbours. That
    is half as many rounds as there are cells, of two small operations each: the price of not asking the host.
    """
    _, height, width = mask.shape
    cells = height * width
    numbers = torch.arange(cells, 0, -1, device=mask.device, dtype=torch.float32).view(height, width) * mask
    for _ in range(2 * -(-height // 2) * -(-width // 2) - 1):
        numbers = F.max_pool2d(numbers, 3, stride=1, padding=1) * mask
    numbers = numbers.long()
    sizes = numbers.new_zeros(len(mask), cells + 1).scatter_add(1, numbers.flatten(1), mask.flatten(1).long())
    largest = cells - sizes[:, 1:].flip(1).argmax(1)  # flipped, as the first in a row has the largest number
    return numbers == largest[:, None, None]


def bounding_box(mask: Tensor) -> Tensor:
    """(B, h, w) bool → (B, 4), top, left, bottom, right of what is True, ends exclusive; the whole grid where nothing is."""
    _, height, width = mask.shape
    mask = mask | ~mask.any(2, keepdim=True).any(1, keepdim=True)
    rows, columns = mask.any(2).int(), mask.any(1).int()
    top, left = rows.argmax(1), columns.argmax(1)
    bottom, right = height - rows.flip(1).argmax(1), width - columns.flip(1).argmax(1)
    return torch.stack([top, left, bottom, right], dim=1)


def default_boxes(grid: tuple[int, int], image: tuple[int, int], sizes: Sequence[tuple[float, float]]) -> Tensor:
    """A map's (rows, columns), the (H, W) that it covers, S boxes' (height, width), both in pixels → boxes (S·rows·columns, 4).

    The map covers its image, or, where its last cells reach beyond that, as much as its cells times its stride. Around the centre
    of each cell there is one of each size, in the order of scores (B, S, rows, columns) when they are flattened. A box near the
    border reaches beyond it.
    """
    (rows, columns), (height, width) = grid, image
    y, x = (torch.arange(rows) + 0.5) * (height / rows), (torch.arange(columns) + 0.5) * (width / columns)
    centres = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1)
    halves = torch.tensor(sizes)[:, None, None] / 2
    return torch.cat([centres - halves, centres + halves], dim=-1).flatten(0, 2)


def moved_inside(boxes: Tensor, image: tuple[int, int]) -> Tensor:
    """Boxes (…, 4), none larger than the image (H, W) → the same, moved as little as it takes to lie in it."""
    sides = boxes[..., 2:] - boxes[..., :2]
    first = boxes[..., :2].clamp_min(0).minimum(boxes.new_tensor(image) - sides)
    return torch.cat([first, first + sides], dim=-1)


def cell_of_centre(boxes: Tensor, grid: tuple[int, int], image: tuple[int, int]) -> Tensor:
    """Boxes (…, 4) with their centres in the image (H, W), a map's (rows, columns) → the cell of each, counted row by row (…)."""
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    rows, columns = (centres / boxes.new_tensor(image) * boxes.new_tensor(grid)).long().unbind(-1)
    return rows * grid[1] + columns


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """Boxes (…, 4) and (…, 4), which broadcast → intersection over union (…), in [0, 1]."""
    sides = torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])
    shared = sides.clamp_min(0).prod(-1)
    one, other = ((boxes[..., 2:] - boxes[..., :2]).prod(-1) for boxes in (first, second))
    return shared / (one + other - shared)


@torch.no_grad()
def non_maximum_suppression(scores: Tensor, boxes: Tensor, *, count: int, threshold: float) -> Tensor:
    """Finite scores (B, N) of boxes (N, 4), the same for all images → which `count` of them are kept (B, count), the best first.

    A kept box drops all that overlap it by `threshold` or more. Where none is left, the best of the dropped fill up, so that the
    number is always the same: as many rounds as boxes are kept, of a few small operations each. Raises ValueError for fewer boxes
    than are to be kept.
    """
    if scores.shape[1] < count:
        raise ValueError(f"{count} boxes can't be kept of {scores.shape[1]}")
    unused = undropped = torch.ones_like(scores, dtype=torch.bool)
    kept = []
    for _ in range(count):
        candidates = torch.where(undropped.any(1, keepdim=True), undropped, unused)
        kept.append(scores.masked_fill(~candidates, -torch.inf).argmax(1, keepdim=True))
        unused = unused.scatter(1, kept[-1], False)
        undropped = undropped & unused & (overlap(boxes[kept[-1]], boxes) < threshold)
    return torch.cat(kept, dim=1)


def crop(images: Tensor, boxes: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """(B, C, H, W), boxes (B, 4) or (B, M, 4) in pixels → what is in them, (B, C, h, w) or (B, M, C, h, w), resized bilinearly.

    `size` is (h, w); None: the images' own. The corner pixels of a box come to lie on the corners; beyond the image, its border's
    pixels go on: pad the images and shift the boxes for anything else. Without gradient.
    """
    if boxes.ndim == 2:
        return crop(images, boxes[:, None], size)[:, 0]
    rows, columns = size or images.shape[-2:]
    top, left, bottom, right = boxes.to(at_least_float32(images).dtype).unbind(-1)

    def places(first: Tensor, end: Tensor, count: int, side: int) -> Tensor:
        share = torch.linspace(0, 1, count, device=first.device, dtype=first.dtype)
        return (first[..., None] + (end - 1 - first)[..., None] * share) * 2 / (side - 1) - 1

    y, x = places(top, bottom, rows, images.shape[-2]), places(left, right, columns, images.shape[-1])
    # The crops of an image lie below each other in one grid, so that no image is copied for each of them.
    grid = torch.stack(torch.broadcast_tensors(x[:, :, None], y[..., None]), dim=-1).flatten(1, 2)
    with torch.no_grad():
        found = F.grid_sample(at_least_float32(images), grid, padding_mode="border", align_corners=True)
    return found.unflatten(2, (-1, rows)).transpose(1, 2)
