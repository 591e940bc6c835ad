"""What a trained method reaches: its predictions, one for each test image, and where its evidence points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.backends import mkldnn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from implementations.common.data import InOrder, Samples, Split, loader
from implementations.common.errors import Fault
from implementations.common.method import Method
from implementations.common.records import FIXED_POINT_PER_FAMILY, RANDOM_POINT, TOLERANCE

Told = Callable[[int], None]
"""Is told how many images are done."""


def silent(done: int) -> None:
    """Nobody is told."""


EVALUATION_BATCH = 64


def _batches(
    method: Method, split: Split, accelerator: Accelerator, workers: int, *, boxes: bool = False, progress: Told = silent
) -> Iterator[tuple[Tensor, ...]]:
    """This process's share of a split by the test transform, on its device."""
    order = InOrder(len(split), EVALUATION_BATCH, process=accelerator.process_index, processes=accelerator.num_processes)
    samples = Samples(split, method.recipe.test, seed=0, boxes=boxes)
    done = 0
    for batch in loader(samples, order, workers=workers, pin=accelerator.device.type == "cuda"):
        yield tuple(tensor.to(accelerator.device) for tensor in batch)
        done += len(batch[0]) * accelerator.num_processes
        progress(min(done, len(split)))


def _in_order(mine: list[Any], split: Split, accelerator: Accelerator) -> list[Any]:
    """All processes' values in the order of the images. Raises Fault unless each image was counted once."""
    everyone = gather_object(
        [(accelerator.process_index + place * accelerator.num_processes, value) for place, value in enumerate(mine)]
    )
    if sorted(index for index, _ in everyone) != list(range(len(split))):
        raise Fault(f"{len(everyone)} predictions came for {len(split)} images")
    return [value for _, value in sorted(everyone)]


@torch.no_grad()
def predict(method: Method, split: Split, accelerator: Accelerator, workers: int = 0, *, progress: Told = silent) -> list[int]:
    """The predicted class of each image of the split, in order."""
    method.eval()
    mine: list[Tensor] = []
    for images, _ in _batches(method, split, accelerator, workers, progress=progress):
        with accelerator.autocast():
            mine.append(method(images).argmax(1))
    return _in_order(torch.cat(mine).tolist() if mine else [], split, accelerator)


@torch.no_grad()
def pointing(
    method: Method, split: Split, accelerator: Accelerator, workers: int = 0, *, progress: Told = silent
) -> dict[str, list[bool]] | None:
    """By map of the method's: of each image, in order, whether it peaks inside the telling part's box (with TOLERANCE).

    None where the split knows no boxes.
    """
    if split.boxes is None:
        return None
    method.eval()
    mine: list[dict[str, bool]] = []
    for images, _, boxes in _batches(method, split, accelerator, workers, boxes=True, progress=progress):
        side = images.shape[-1]
        grown = with_tolerance(boxes, side)
        maps = method.evidence_maps(images)  # outside autocast: bf16 would move a map's peak
        hits = {name: inside(peaks(one, side), grown).tolist() for name, one in maps.items()}
        mine += [dict(zip(hits, of_image, strict=True)) for of_image in zip(*hits.values(), strict=True)]
    everyone = _in_order(mine, split, accelerator)
    return {name: [hits[name] for hits in everyone] for name in everyone[0]}


def class_activation_map(features: Tensor, classifier: nn.Linear) -> Tensor:
    """(B, C, h, w) → (B, h, w) ≥ 0: how much each place speaks for the class predicted from the map's average.

    Of a linear classifier of that average (Zhou et al., CVPR 2016); what speaks against the class counts as 0.
    """
    predicted = classifier(features.mean((2, 3))).argmax(1)
    return torch.einsum("bchw,bc->bhw", features, classifier.weight[predicted]).relu()


def input_gradient(method: Method, images: Tensor) -> Tensor:
    """(B, 3, H, W) → (B, H, W) ≥ 0: how much the colours at each place move the score of the predicted class.

    The absolute gradient of that class's output, by the image (Simonyan, Vedaldi & Zisserman, ICLR workshop 2014), summed over
    channels. It asks nothing of a method but its test pass, so that any can be held against it. Single pixels of it are mostly
    noise, and what is asked is where a part of some size lies: so it is averaged over windows of a twelfth of the side, in which
    what lies outside the image counts as 0. The weights get no gradient.
    """
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(method(images).amax(1).sum(), images)
    window = images.shape[-1] // 24 * 2 + 1
    return F.avg_pool2d(gradient.abs().sum(1, keepdim=True), window, stride=1, padding=window // 2)[:, 0]


def with_tolerance(boxes: Tensor, side: int) -> Tensor:
    """Boxes (N, 4) as left, top, right, bottom in pixels, grown on each side by TOLERANCE of the picture's side, within it."""
    return (boxes.float() + side * TOLERANCE * torch.tensor([-1, -1, 1, 1], device=boxes.device)).clamp(0, side)


def inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Points (…, 2) as x, y and boxes (…, 4) → whether each point lies in its box (…): ends are exclusive."""
    x, y = points.unbind(-1)
    left, top, right, bottom = boxes.unbind(-1)
    return (left <= x) & (x < right) & (top <= y) & (y < bottom)


def best_point(boxes: Tensor, side: int) -> Tensor:
    """The pixel (2,) as x, y that lies in most of the boxes (N, 4): the first, row by row, of several."""
    places = torch.arange(side, device=boxes.device) + 0.5
    across = ((boxes[:, :1] <= places) & (places < boxes[:, 2:3])).float()
    down = ((boxes[:, 1:2] <= places) & (places < boxes[:, 3:])).float()
    best = int((down.T @ across).flatten().argmax())
    return torch.tensor([best % side, best // side], device=boxes.device) + 0.5


def blind_guesses(train: Split, test: Split, families: Sequence[int], side: int) -> dict[str, Tensor]:
    """The chance of a hit (N,) on the telling part of each test image, of guesses that don't look at the image.

    A random point; the centre; one fixed point, chosen on the training images; and one such point per family, for a guesser who
    is told the family: `families` has that of each class.
    """
    seen, boxes = with_tolerance(train.boxes, side), with_tolerance(test.boxes, side)
    of_seen, of_test = (torch.tensor([families[label] for label in split.labels]) for split in (train, test))
    points = torch.stack([best_point(seen[of_seen == family], side) for family in range(max(families) + 1)])
    return {
        RANDOM_POINT: ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / side**2),
        "image centre": inside(torch.full((2,), side / 2), boxes).float(),
        "one fixed point": inside(best_point(seen, side), boxes).float(),
        FIXED_POINT_PER_FAMILY: inside(points[of_test], boxes).float(),
    }


def peaks(maps: Tensor, side: int) -> Tensor:
    """(B, h, w) → where each map is largest, (B, 2) as x, y in pixels of a picture of `side`, after bilinear enlargement."""
    large = F.interpolate(maps[:, None].float(), size=(side, side), mode="bilinear", align_corners=False)[:, 0]
    place = large.flatten(1).argmax(1)
    return torch.stack([place % side, place // side], dim=1) + 0.5


def top1(predictions: Sequence[int], labels: Sequence[int]) -> float:
    """The share of right predictions. Raises Fault for another number of them than images."""
    if len(predictions) != len(labels):
        raise Fault(f"{len(predictions)} predictions for {len(labels)} images")
    return sum(p == label for p, label in zip(predictions, labels, strict=True)) / len(labels)


def confusion(predictions: Sequence[int], labels: Sequence[int], parents: Sequence[int]) -> list[list[int]]:
    """How often an image of coarse class i (row) was predicted as a class of coarse class j (column)."""
    size = max(parents) + 1
    counts = [[0] * size for _ in range(size)]
    for predicted, label in zip(predictions, labels, strict=True):
        counts[parents[label]][parents[predicted]] += 1
    return counts


@torch.no_grad()
def flops(method: Method) -> int:
    """Of the test pass of one image: matrix products, convolutions and attention (what torch.utils.flop_counter counts)."""
    method.eval()
    side, parameter = method.recipe.input_size, next(method.parameters())
    # On CPUs the counter knows nothing of the fused kernels, so attention and LSTMs are counted as the products that they are.
    with sdpa_kernel(SDPBackend.MATH), mkldnn.flags(enabled=False, allow_tf32=None), FlopCounterMode(display=False) as counter:
        method(torch.zeros(1, 3, side, side, device=parameter.device, dtype=parameter.dtype))
    return counter.get_total_flops()
