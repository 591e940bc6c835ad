"""What an implementation is: a module with a claim, a recipe, a test pass, losses, and the evidence it looks at.

The harness (train.py) calls nothing but what stands here, and asks no method which one it is. A method overrides what its paper
does differently; most need the first four functions alone.

With several processes each has a share of every batch, and gradients alone are averaged. So a buffer that batches change (class
centres, leaves, moving averages) is changed in `after_step`, from what all processes saw: `losses` keeps its own share, detached;
`after_step` puts the whole batch together by `gather`, and computes from it what one process would, alike on all of them to the
last bit (on a GPU, `index_add_` and `scatter_add_` add up in any order; a product with one-hot labels doesn't). Once an epoch the
harness compares all buffers, and stops where they differ. BatchNorm's running statistics alone may: the first process's are sent
round. A buffer that changes without looking at the batch, such as spectral normalisation's, is the same everywhere by itself.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
import torch.distributed
from torch import Tensor, nn

from implementations.common.errors import Usage
from implementations.common.randomness import seed_torch
from implementations.common.recipes import Recipe, changed
from implementations.common.records import EVIDENCE

if TYPE_CHECKING:  # it imports timm, which takes seconds, and --help doesn't need it
    from implementations.common.weights import Loaded, Source

Terms = dict[str, Tensor]
Update = Callable[[Callable[[Tensor, Tensor], Terms], Tensor, Tensor], Terms]


@dataclass(frozen=True)
class Classes:
    """The classes of a dataset: their names, and per coarser level (order, family, …) the coarse class of each.

    Coarse classes are numbered from 0, at least two a level. Levels go from coarse to fine, and each class of one lies in one
    class of the level before. Raises ValueError for others.
    """

    names: tuple[str, ...]
    coarse: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for level, parents in self.coarse.items():
            if len(parents) != len(self.names):
                raise ValueError(f"{level!r} has the coarse class of {len(parents)} classes, expected of all {len(self.names)}")
            if min(parents) < 0:
                raise ValueError(f"{level!r} has a coarse class {min(parents)}: expected numbers from 0")
            if len(set(parents)) < 2:
                raise ValueError(f"{level!r} has one coarse class: expected at least 2, or there is nothing to tell apart")
        for (before, coarser), (level, finer) in itertools.pairwise(self.coarse.items()):
            if len(set(zip(coarser, finer, strict=True))) > len(set(finer)):
                raise ValueError(
                    f"a class of {level!r} lies in several of {before!r}: expected levels from coarse to fine, each class in one"
                    " of the level before"
                )

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Claim:
    """The paper's result that a file is to reproduce: the fields that select it in the paper's catalog entry."""

    dataset: str
    metric: str
    value: float
    backbone: str | None = None
    variant: str | None = None


class Method(nn.Module):
    """A paper's method over a backbone.

    `classes` and `backbone` size the layers; `recipe` is the resolved one (paper or demo, with what the user changed).
    What a method carries from step to step is a parameter or a buffer, never a plain attribute: only those survive a kill. A
    buffer that a batch changes is changed in `after_step`, from what all processes saw (see above).
    """

    paper: ClassVar[str]
    """The id of its catalog entry; "baseline" has none."""
    claim: ClassVar[Claim | None] = None
    recipe: Recipe
    demo: ClassVar[Mapping[str, Mapping[str, Any]]]
    """For each family of backbones that the method works on ("cnn", "vit"): what of the recipe the demo changes, beside what it
    changes for all (recipes.DEMO)."""
    demo_at: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {}
    """For another budget than the demo's own, by family of backbones and by what --set changes: what else of the demo's recipe is
    other there, since trials under that budget came out so ({"vit": {"patch_stride=6": {"lr": 5e-3}}})."""
    bounds: ClassVar[Mapping[str, tuple[float | None, float | None]]] = {}
    """Between which values a setting of the demo has to lie, where that isn't plain (0 is one end, for counts 1): the best of the
    trials may lie there, since nothing can be tried beyond."""
    test_time: ClassVar[tuple[str, ...]] = ()
    """What its test pass does beyond one look at the image, in the words of catalog.yaml's `test_time`: ("multi-crop",) where
    several crops or regions are answered for and averaged, or classified together. It belongs to the protocol of each run."""
    over_batch: ClassVar[bool] = False
    """True: a sample's loss depends on its neighbours in the batch, so splitting the batch is another loss."""
    least_per_class: ClassVar[int] = 1
    """How many images of a class training needs."""

    def __init__(self, classes: Classes, backbone: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.classes, self.backbone, self.recipe = classes, backbone, recipe

    @classmethod
    def build(
        cls,
        classes: int | Classes,
        backbone: str | None = None,
        *,
        weights: str | Path | None = None,
        input_size: int | None = None,
        **changes: Any,
    ) -> Self:
        """The method with its paper's settings as a module of its own, in training mode, on the CPU: for other people's code.

        `classes`: how many, or their names and coarser levels. `backbone`: any name of the method's family that Finch or timm
        knows (None: the paper's). `weights` of the backbone: None draws them at random; "pretrained" takes those shipped with
        Finch or found in timm's cache, without a network; "download" fetches timm's if need be; a path is a safetensors file
        with timm's names. `input_size`: the images' side in pixels (None: the paper's). `changes`: further fields of `recipe`,
        such as patch_stride=6, optimizer_options={"momentum": 0.8}, train=(op("RandomCrop", size=448), …). Transforms that aren't
        among them grow with `input_size`.

        What comes: forward (B, 3, H, W) → logits (B, K); losses (B, 3, H, W), (B,) → weighted terms by name, to be added up;
        evidence (B, 3, H, W) → (B, h, w); `recipe`: how the authors train, and what images go through before (common.data's
        `transform(model.recipe.test)` does it). Raises Usage for a backbone that the method can't work with, a setting that
        there isn't or a value of another kind, Fault for weights that can't be had.
        """
        from implementations.common.weights import Source

        if not isinstance(classes, Classes):
            if classes < 1:
                raise Usage(f"{cls.__name__}.build: classes is at least 1, not {classes}")
            classes = Classes(tuple(map(str, range(classes))))
        asked = {"backbone": backbone, "input_size": input_size}
        recipe = changed(cls.recipe, changes | {name: value for name, value in asked.items() if value is not None})
        if weights in (None, "pretrained", "download"):
            source = Source(random=weights is None, download=weights == "download")
        else:
            source = Source(file=Path(weights))
        return cls.from_recipe(recipe, classes, source)[0]

    @classmethod
    def from_recipe(cls, recipe: Recipe, classes: Classes, source: Source, seed: int | None = None) -> tuple[Self, Loaded]:
        """The method as a recipe has it, on the recipe's backbone, and which weights this has.

        With a seed, what is random is drawn from it. Raises Usage where they don't go together, Fault where weights are missing.
        """
        from implementations.common import backbones

        wanted = backbones.Wanted.by(recipe, cls.demo)
        if seed is not None:
            seed_torch(seed, "backbone")
        backbone, loaded = backbones.create(wanted, source)
        if seed is not None:
            seed_torch(seed, "method")
        try:
            return cls(classes, backbone, recipe), loaded
        except (ValueError, RuntimeError, ZeroDivisionError) as error:
            raise Usage(f"{cls.__name__} can't be built by this recipe: {error}") from error

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → logits (B, K): the whole test pass. A mixture returns log-probabilities."""
        raise NotImplementedError

    def losses(self, images: Tensor, labels: Tensor) -> Terms:
        """(B, 3, H, W), (B,) → the loss terms by name, weighted; the harness adds them up."""
        raise NotImplementedError

    def evidence(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, h, w) ≥ 0, over the image: what the method itself looks at when it predicts."""
        raise NotImplementedError

    # ---------------------------------------------------------------------------- only where the paper needs it

    def evidence_maps(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) → maps (B, h, w) ≥ 0 by name, each over the image: all of which it is recorded how often they peak inside
        the part that tells the species. Beside `evidence`, which is always one of them, a method may have more.
        """
        return {EVIDENCE: self.evidence(images)}

    def chosen(self, images: Tensor) -> Tensor | None:
        """(B, 3, H, W) → (B, M, 4), the patches or crops that it chose, as top, left, bottom, right in pixels, to be drawn.

        A box without area stands for none; None: the method chooses nothing.
        """
        return None

    def batches(self, labels: list[int], size: int, rng: random.Random) -> list[list[int]]:
        """The batches of one epoch, as indices into the training images; as many in each epoch."""
        order = list(range(len(labels)))
        rng.shuffle(order)
        return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The optimiser's groups, over all parameters whether frozen now or not."""
        recipe, inside = self.recipe, {id(p) for p in self.backbone.parameters()}
        groups = [
            {"name": "backbone", "params": list(self.backbone.parameters()), "lr": recipe.backbone_lr or recipe.lr},
            {"name": "new layers", "params": [p for p in self.parameters() if id(p) not in inside], "lr": recipe.lr},
        ]
        return [group for group in groups if group["params"]]

    def phase(self, epoch: int, epochs: int) -> str:
        """Sets what is trained in this epoch (requires_grad) and returns the phase's name; a function of its arguments alone."""
        return "all"

    def prepare(self, epoch: int, train: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Before an epoch's first step, and once more with epoch == epochs before the final test.

        `train` yields all training images once, (images, labels), in fixed order, by the test transform.
        """

    def training_step(self, images: Tensor, labels: Tensor, update: Update) -> Terms:
        """What is done with one batch: one update by `losses`, unless the paper steps more often."""
        return update(self.losses, images, labels)

    def after_step(self) -> None:
        """After each step of the optimiser, without gradients: the place to change a buffer, from what `gather` gives."""

    def measure(self, test: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Further shares on the test images, from 0 to 1, under names of their own; the paper's page shows them in percent."""
        return {}


def processes() -> int:
    """How many processes train together."""
    return torch.distributed.get_world_size() if torch.distributed.is_available() and torch.distributed.is_initialized() else 1


@torch.no_grad()
def gather(tensor: Tensor) -> Tensor:
    """This process's share of a batch (B, …) → the whole batch's, (processes × B, …), in its order and without gradient.

    The tensor itself where there is one process. All processes call it, with tensors of one shape: their shares are equal.
    """
    if processes() == 1:
        return tensor.detach()
    shares = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(processes())]
    torch.distributed.all_gather(shares, tensor.detach().contiguous())
    return torch.cat(shares)


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor in float32, or in float64 if it is that already."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def full_precision(tensor: Tensor) -> torch.autocast:
    """A context that leaves autocast, for sums and products that bf16 would spoil; use with `at_least_float32`."""
    return torch.autocast(tensor.device.type, enabled=False)
