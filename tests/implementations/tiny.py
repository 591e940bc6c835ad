"""Methods on tiny backbones, for tests."""

from __future__ import annotations

import dataclasses
import functools
import zlib

import torch

from implementations.common import backbones
from implementations.common.method import Classes, Method
from implementations.common.recipes import resolve
from implementations.common.train import BATCH_NORM
from implementations.common.weights import Source

WIDTH, DEPTH = (backbones.OWN["finch_vit"][1][name] for name in ("embed_dim", "depth"))
"""Of the small vision transformer: its tokens' length, and its blocks."""
FOUR = Classes(tuple("abcd"), {"family": (0, 0, 1, 1)})


def build(method: type[Method], *, side: int = 64, backbone: str | None = None, classes: Classes = FOUR, pretrained: bool = False, **changes) -> Method:
    """The method's demo at another size, on random weights unless asked otherwise, drawn from seed 0."""
    family = backbones.family_of(backbone) if backbone else next(iter(method.demo))
    recipe = dataclasses.replace(resolve(method.recipe, method.demo[family]), **{"input_size": side} | ({"backbone": backbone} if backbone else {}) | changes)
    torch.manual_seed(0)
    return method.from_recipe(recipe, classes, Source(random=not pretrained))[0]


class AtRest(Method):
    """To be put before a method: its BatchNorm stays as pretrained, so that halves of a batch give what the whole one gives."""

    def train(self, mode=True):
        super().train(mode)
        for module in self.modules():
            if isinstance(module, BATCH_NORM):
                module.eval()
        return self


def stochastic(*shape: int, sharp: float = 1.0) -> torch.Tensor:
    """Rows that sum to 1, in float64."""
    return (sharp * torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).softmax(-1)


@dataclasses.dataclass(frozen=True)
class Given:
    """A block's attention, given as it is: what stands in for Maps."""

    whole: torch.Tensor

    @property
    def keys(self) -> torch.Tensor:
        return self.whole

    def attention(self, queries: slice = slice(None)) -> torch.Tensor:
        return self.whole[:, :, queries]


def reached(method: Method, term: torch.Tensor) -> set[str]:
    """The parameters through which a term's gradient goes."""
    names, parameters = zip(*method.named_parameters(), strict=True)
    gradients = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    return {name for name, gradient in zip(names, gradients, strict=True) if gradient is not None and gradient.any()}


@functools.cache
def seen(kind: type[Method]) -> dict[str, torch.Tensor]:
    """What a method on pretrained weights answers, each parameter's learning rate, and the gradient that a step leaves in it."""
    method = build(kind, pretrained=True)
    for name, parameter in method.named_parameters():
        if not parameter.any():  # as classifiers and embeddings may start, which hides what lies before them
            torch.nn.init.normal_(parameter, std=0.02, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
    with torch.no_grad():
        found = {"answer": method.eval()(images(8))}
    names = {id(parameter): name for name, parameter in method.named_parameters()}
    found |= {f"rate of {names[id(p)]}": torch.tensor(group["lr"]) for group in method.parameter_groups() for p in group["params"]}
    method.train().phase(method.recipe.epochs - 1, method.recipe.epochs)

    def update(losses, some, classes):
        method.zero_grad()
        terms = losses(some, classes)
        sum(terms.values()).backward()
        for name, parameter in method.named_parameters():
            if parameter.grad is not None:
                found[name] = found.get(name, 0) + parameter.grad
        return terms

    torch.manual_seed(0)
    method.training_step(images(8), labels(8), update)
    return found


def does_otherwise(kind: type[Method], method: type[Method]) -> bool:
    """Whether a subclass answers or learns otherwise than its method does, by more than a thousandth."""
    ours, theirs = seen(kind), seen(method)
    return ours.keys() != theirs.keys() or any((ours[name] - theirs[name]).norm() > 1e-3 * theirs[name].norm() for name in theirs)


def images(count: int = 4, side: int = 64) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def labels(count: int = 4) -> torch.Tensor:
    """Class by class: 0, 0, 1, 1, …"""
    return torch.arange(count) // 2
