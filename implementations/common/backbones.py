"""Backbones by name: Finch's own tiny ones, any timm CNN with `features_only`, any timm VisionTransformer with a class token."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer import checkpoint_filter_fn as fit_positions
from torch import Tensor, nn

from implementations.common import weights
from implementations.common.cnn import CNN
from implementations.common.errors import Fault
from implementations.common.recipes import Recipe
from implementations.common.vit import UnsuitableBackbone, ViT

OWN: dict[str, tuple[str, dict[str, Any]]] = {
    # A third of resnet10t's width, with a last map of stride 16, so that it still has 6 × 6 places at 96 px.
    "finch_resnet": ("resnet10t", {"stem_width": 16, "channels": (24, 48, 96, 128), "output_stride": 16}),
    # Patches of 8 px, since a telling part is a few pixels wide; thin blocks, so that a method that draws the last one anew loses
    # an eighth of them.
    "finch_vit": ("vit_tiny_patch16_224", {"img_size": 96, "patch_size": 8, "embed_dim": 48, "depth": 8, "num_heads": 4}),
}
"""Finch's tiny backbones, pretrained on birds of other species (pretrain.py): timm's constructor and its arguments."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a recipe and the command line ask for."""

    name: str
    families: Sequence[str]
    input_size: int
    output_stride: int | None = None
    patch_stride: int | None = None

    @classmethod
    def by(cls, recipe: Recipe, families: Iterable[str]) -> Wanted:
        """What a recipe asks for, of a method that works on these families."""
        return cls(
            name=recipe.backbone,
            families=tuple(families),
            input_size=recipe.input_size,
            output_stride=recipe.output_stride,
            patch_stride=recipe.patch_stride,
        )


def create(wanted: Wanted, source: weights.Source) -> tuple[CNN | ViT, weights.Loaded]:
    """Builds a backbone and loads its weights.

    Raises UnsuitableBackbone for one that the method can't work with, and weights.Missing or weights.Mismatch.
    """
    family = family_of(wanted.name)
    if family not in wanted.families:
        kinds = {"cnn": "a CNN", "vit": "a vision transformer"}
        raise UnsuitableBackbone(
            f"{wanted.name} is {kinds[family]}; this method works on {' or '.join(kinds[kind] for kind in wanted.families)}"
        )
    return (_vit if family == "vit" else _cnn)(wanted, source)


def family_of(name: str) -> str:
    """Whether a name is a "vit" or a "cnn". Raises UnsuitableBackbone for one that neither Finch nor timm knows."""
    if name in OWN:
        return "vit" if OWN[name][0].startswith("vit") else "cnn"
    base, _, tag = name.partition(".")
    if not timm.is_model(base) or (tag and not timm.is_model_pretrained(name)):
        known = [*OWN, *timm.list_models(), *(timm.list_pretrained(f"{base}.*") if tag else ())]
        near = difflib.get_close_matches(name, known, n=1)
        raise UnsuitableBackbone(
            f"neither Finch nor timm knows a backbone {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        )
    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False)
    like_a_vit = hasattr(model, "patch_embed") and hasattr(model, "blocks")  # the driver says what it can't take of these
    return "vit" if isinstance(model, VisionTransformer) or like_a_vit else "cnn"


def _build(name: str, **arguments: Any) -> nn.Module:
    base, own = OWN.get(name, (name, {}))
    return timm.create_model(
        base, pretrained=False, **own | {key: value for key, value in arguments.items() if value is not None}
    )


def _vit(wanted: Wanted, source: weights.Source) -> tuple[ViT, weights.Loaded]:
    try:
        model = _build(wanted.name, img_size=wanted.input_size, num_classes=0, global_pool="token")
    except (TypeError, AssertionError, RuntimeError) as error:
        raise UnsuitableBackbone(f"{wanted.name} can't be built at {wanted.input_size} px: {error}") from error
    loaded = weights.load(
        wanted.name, source, lambda state: _fill(model, fit_positions(state, model, interpolation="bicubic", antialias=False))
    )
    return ViT(model, wanted.name, stride=wanted.patch_stride), loaded


def _cnn(wanted: Wanted, source: weights.Source) -> tuple[CNN, weights.Loaded]:
    def build(output_stride: int | None) -> nn.Module:
        try:
            return _build(wanted.name, features_only=True, output_stride=output_stride)
        except (AssertionError, AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
            at = f" at output stride {output_stride}" if output_stride else ""
            raise UnsuitableBackbone(
                f"timm gives no feature maps of {wanted.name}{at}: {error or type(error).__name__}"
            ) from error

    try:
        backbone = CNN(build, wanted.name, wanted.input_size, output_stride=wanted.output_stride)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise UnsuitableBackbone(f"{wanted.name} is no CNN that can be used at {wanted.input_size} px: {error}") from error
    return backbone, weights.load(wanted.name, source, lambda state: _fill(backbone.model, state))


def _fill(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Loads all tensors that the backbone has; what else is in the file may only be the pretraining's classifier.

    With `features_only`, timm joins the names of nested modules by underscores (features.conv0 becomes features_conv0).
    """
    own = model.state_dict()
    joined = {name.replace(".", "_"): name for name in state}
    if len(joined) == len(state):
        state = {name: state[joined[name.replace(".", "_")]] for name in own if name.replace(".", "_") in joined}
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    shapes = [name for name, tensor in own.items() if name in state and state[name].shape != tensor.shape]
    if missing or shapes:
        found = (
            f"no tensor {missing[0]!r} ({len(missing)} are missing)"
            if missing
            else (f"{shapes[0]!r} of shape {tuple(state[shapes[0]].shape)}, expected {tuple(own[shapes[0]].shape)}")
        )
        raise Fault(f"the weights don't fit the backbone: {found}")
    model.load_state_dict({name: state[name] for name in own if name in state}, strict=False)
