"""From a map over a grid to a closer look: its largest connected region, the box around it, and the image cut out there.

All of it is batched and waits for nothing on the host.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from implementations.common.method import at_least_float32


def largest_component(mask: Tensor) -> Tensor:
    """(B, h, w) bool → bool: of cells that touch each other, corners too, the group of most cells.

    On a tie the first, row by row; of an empty mask nothing. Each cell takes over the largest number around it, so often that it
    has come everywhere: a shortest way through a component holds at most two of any 2 × 2 cells, since three of them would all be
    neighbours. That is half as many rounds as there are cells, of two small operations each: the price of not asking the host.
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


def crop(images: Tensor, boxes: Tensor) -> Tensor:
    """(B, C, H, W), boxes (B, 4) in pixels as of `bounding_box` → what is in them, enlarged bilinearly to H × W.

    The corner pixels of a box come to lie on the corners. Without gradient.
    """
    height, width = images.shape[-2:]
    top, left, bottom, right = boxes.to(at_least_float32(images).dtype).unbind(1)

    def places(first: Tensor, end: Tensor, size: int) -> Tensor:
        share = torch.linspace(0, 1, size, device=first.device, dtype=first.dtype)
        return (first[:, None] + (end - 1 - first)[:, None] * share) * 2 / (size - 1) - 1

    y, x = places(top, bottom, height)[:, :, None], places(left, right, width)[:, None]
    grid = torch.stack([x.expand(-1, height, -1), y.expand(-1, -1, width)], dim=-1)
    with torch.no_grad():
        return F.grid_sample(at_least_float32(images), grid, padding_mode="border", align_corners=True)
