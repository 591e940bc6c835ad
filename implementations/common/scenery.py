"""What is round a drawn bird: a background, leaves in front of it, and the light; integers alone, as in anatomy.py."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from implementations.common.anatomy import SUPERSAMPLING, ellipse, rotate


def background(rng: np.random.Generator, side: int) -> Image.Image:
    """Soft light and dark patches in leaf, earth or sky colours, with a few branches."""
    base = np.array(((92, 118, 74), (128, 116, 88), (150, 168, 182), (104, 112, 104), (168, 158, 128))[rng.integers(5)])
    cells = base + rng.integers(-46, 47, (5, 5, 1)) + rng.integers(-14, 15, (5, 5, 3))
    image = Image.fromarray(cells.clip(0, 255).astype(np.uint8)).resize((side, side), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(2, 6))):
        ends = [int(value) for value in rng.integers(0, side, 4)]
        shade = tuple(int(value) for value in (base + rng.integers(-60, 30, 3)).clip(0, 255))
        draw.line(ends, fill=shade, width=int(rng.integers(side // 96, side // 24)))
    return image


def leaves(rng: np.random.Generator, image: Image.Image, keep: tuple[int, int, int, int]) -> None:
    """Up to six leaves in front of the bird, none over `keep` (the telling part's box in pixels of the picture)."""
    draw, side = ImageDraw.Draw(image), image.width
    left, top, right, bottom = (value * SUPERSAMPLING for value in keep)
    for x, y, rx, ry, turn, green in rng.integers(
        (0, 0, side // 24, side // 48, -40, 60), (side, side, side // 6, side // 12, 40, 130), (6, 6)
    ):
        reach = int(max(rx, ry))
        if left - reach < x < right + reach and top - reach < y < bottom + reach:
            continue
        points = rotate(ellipse(int(x), int(y), int(rx), int(ry)), int(turn), (int(x), int(y)))
        draw.polygon(points, fill=(int(green) - 20, int(green) + 24, int(green) - 38))


def light(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 → the same under another light: brightness, tint, a slope over the picture, and sensor noise."""
    side = picture.shape[0]
    gain = int(rng.integers(760, 1240)) + rng.integers(-70, 71, 3)
    slope_x, slope_y = (int(value) for value in rng.integers(-180, 181, 2))
    place = np.arange(side, dtype=np.int64) * 2 - side
    ramp = (1024 + place[None, :, None] * slope_x // side + place[:, None, None] * slope_y // side) * gain
    noise = rng.integers(-9, 10, (side, side, 3)) + rng.integers(-9, 10, (side, side, 3))
    return ((picture.astype(np.int64) * ramp >> 20) + noise).clip(0, 255).astype(np.uint8)
