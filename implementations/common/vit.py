"""A vision transformer run block by block, so that a paper can look at attention, choose tokens, or feed a block its own.

A driver over timm's VisionTransformer: with nothing asked for it computes what timm's `forward_features` computes, by the same
fused kernels. Only a block through whose maps gradients are to go computes its attention by hand.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from implementations.common.errors import Usage
from implementations.common.method import at_least_float32, full_precision

if TYPE_CHECKING:  # timm is imported where it is used: it takes seconds, and --help doesn't need it
    from timm.layers import Attention
    from timm.models.vision_transformer import VisionTransformer


class UnsuitableBackbone(Usage):
    """A backbone that a method can't work with; the message says why, and which would do."""


EVERY = slice(None)
CLASS = slice(0, 1)
"""The class token among the queries."""


@dataclass(frozen=True)
class Maps:
    """A block's attention, reckoned where it is read, in at least float32.

    From its queries (B, heads, N, d), scaled, and its keys (B, heads, M, d).
    """

    queries: Tensor
    keys: Tensor
    visible: Tensor | None = None

    def scores(self, queries: slice = EVERY, keys: slice = EVERY) -> Tensor:
        """(B, heads, N, M) before masking and softmax, or of some queries and keys alone."""
        with full_precision(self.queries):
            return self.queries[:, :, queries] @ self.keys[:, :, keys].mT

    def attention(self, queries: slice = EVERY) -> Tensor:
        """(B, heads, N, M) after softmax over the keys, or of some queries alone."""
        scores = self.scores(queries)
        if self.visible is not None:
            rows = self.visible if self.visible.shape[2] == 1 else self.visible[:, :, queries]
            scores = scores.masked_fill(~rows, -torch.inf)
        return scores.softmax(-1)


@dataclass(frozen=True)
class Attended:
    """What a block gives: its tokens (B, N, D), and if asked for its attention."""

    tokens: Tensor
    maps: Maps | None = None


class ViT(nn.Module):
    """Class token, patches and blocks of a timm VisionTransformer, in the hands of the method.

    `width` is D, `prefix` the number of tokens before the patches (class token first), `grid` the patches (rows, columns).
    Raises UnsuitableBackbone for what isn't a plain VisionTransformer with a class token.
    """

    family = "vit"

    def __init__(self, model: VisionTransformer, name: str, *, stride: int | None = None) -> None:
        super().__init__()
        refuse_what_the_driver_would_get_wrong(model, name)
        self.model, self.name = model, name
        model.head = nn.Identity()
        if stride is not None and (stride, stride) != model.patch_embed.proj.stride:
            overlap_patches(model, stride)
        self.width: int = model.embed_dim
        self.heads: int = model.blocks[0].attn.num_heads
        self.input_size: int = model.patch_embed.img_size[0]
        self._own_tokens = 0

    @property
    def blocks(self) -> nn.Sequential:
        return self.model.blocks

    @property
    def grid(self) -> tuple[int, int]:
        return self.model.patch_embed.grid_size

    @property
    def prefix(self) -> int:
        """Class token, register tokens, and a paper's own."""
        return self.model.num_prefix_tokens + self._own_tokens

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → tokens after all blocks and the final norm (B, prefix + N, D); the class token is the first."""
        return self.norm(self.blocks(self.embed(images)))

    def embed(self, images: Tensor, own: Tensor | None = None) -> Tensor:
        """(B, 3, H, W) → tokens (B, prefix + N, D) with positions, before the first block.

        `own` (P, D) are tokens of the paper's, set behind the class token without a position of the backbone's; `add_tokens`
        has told how many there will be.
        """
        model = self.model
        tokens = model.norm_pre(model.patch_drop(model._pos_embed(model.patch_embed(images))))
        if own is None:
            return tokens
        return torch.cat([tokens[:, :1], own.expand(len(tokens), -1, -1), tokens[:, 1:]], dim=1)

    def add_tokens(self, count: int) -> None:
        """Tells that `embed` will be given `count` own tokens, so that `prefix` counts them."""
        self._own_tokens = count

    def norm(self, tokens: Tensor) -> Tensor:
        """The final norm, which the pretraining's classifier looked through."""
        return self.model.norm(tokens)

    def patches(self, tokens: Tensor) -> Tensor:
        """The patch tokens (B, N, D) of (B, prefix + N, D)."""
        return tokens[:, self.prefix :]

    def pixels(self, cells: Tensor) -> Tensor:
        """Boxes of patches, (…, 4) as top, left, bottom, right of the grid, ends exclusive → what they see, in pixels."""
        patch, stride = self.model.patch_embed.patch_size[0], self.model.patch_embed.proj.stride[0]
        return torch.cat([cells[..., :2] * stride, (cells[..., 2:] - 1) * stride + patch], dim=-1)

    def boxes(self, chosen: Tensor) -> Tensor:
        """Numbers of tokens (…) → the boxes in pixels that these see (…, 4); without area for a token before the patches."""
        place = chosen - self.prefix
        corner = torch.stack([place // self.grid[1], place % self.grid[1]], dim=-1)
        return torch.where(place[..., None] < 0, 0, self.pixels(torch.cat([corner, corner + 1], dim=-1)))

    def class_token(self) -> Tensor:
        """The class token as it enters the first block, with its position: (1, D)."""
        model = self.model
        return model.cls_token[0] if model.no_embed_class else model.cls_token[0] + model.pos_embed[0, :1]

    def set_dropout(self, rate: float) -> None:
        """Dropout on the embeddings and in the MLPs, as ViT's authors fine-tune; none in attention."""
        mlps = [block.mlp for block in self.blocks]
        for layer in (self.model.pos_drop, *(drop for mlp in mlps for drop in (mlp.drop1, mlp.drop2))):
            layer.p = rate

    def fresh_block(self) -> nn.Module:
        """A block like the last, freshly initialised as timm does, for a paper that doesn't load its own."""
        block = copy.deepcopy(self.blocks[-1])
        for module in block.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm) or type(module).__name__ == "LayerScale":
                module.reset_parameters()
        return block.requires_grad_(True)

    def drop_last_block(self) -> None:
        """Takes the last block off, for a paper that puts its own there."""
        self.model.blocks = self.blocks[:-1]


def attend(
    block: nn.Module,
    tokens: Tensor,
    *,
    maps: bool = False,
    differentiable: bool = False,
    visible: Tensor | None = None,
    context: Tensor | None = None,
    partners: Tensor | None = None,
) -> Attended:
    """Runs one block on tokens (B, N, D).

    `maps`: return the attention too, to be read: it has no gradient, and the tokens are those of the fused kernel to the bit.
    `differentiable`: compute the block by these maps, so that gradients go through them.
    `visible` (B, keys) or (B, 1 or heads, N or 1, keys): False hides a key; each query has to see at least one.
    `context` (B, M, D): tokens of others, as they are before this block, whose keys and values the queries see in place of their
    own. `partners` (B): for each image, the one of the batch whose keys and values its queries see beside its own.
    """
    mask = visible[:, None, None] if visible is not None and visible.ndim == 2 else visible
    if not maps and not differentiable and context is None and partners is None:
        return Attended(block(tokens, attn_mask=mask))
    layer, normed = block.attn, block.norm1(tokens)
    q, k, v = _heads(layer, normed)
    if context is not None:
        _, k, v = _heads(layer, block.norm1(context))
    if partners is not None:
        k, v = (torch.cat([own, own[partners]], dim=2) for own in (k, v))
    seen = None
    if maps or differentiable:
        queries, keys = at_least_float32(q) * layer.scale, at_least_float32(k)
        seen = Maps(queries, keys, mask) if differentiable else Maps(queries.detach(), keys.detach(), mask)
    if differentiable:
        mixed = layer.attn_drop(seen.attention()).to(v.dtype) @ v
    else:
        dropout = layer.attn_drop.p if layer.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    mixed = layer.norm(mixed.transpose(1, 2).flatten(2))
    if layer.gate is not None:
        mixed = mixed * layer.gate(normed).sigmoid()
    tokens = tokens + block.drop_path1(block.ls1(layer.proj_drop(layer.proj(mixed))))
    return Attended(tokens + block.drop_path2(block.ls2(block.mlp(block.norm2(tokens)))), seen)


def watch(blocks: Iterable[nn.Module], tokens: Tensor, *, visible: Tensor | None = None) -> list[Attended]:
    """Runs blocks one after the other on tokens (B, N, D), and keeps what each gives; the last one's tokens are the outcome."""
    watched: list[Attended] = []
    for block in blocks:
        watched.append(attend(block, tokens, maps=True, visible=visible))
        tokens = watched[-1].tokens
    return watched


def rollout(attentions: Sequence[Tensor], start: Tensor) -> Tensor:
    """How much each token of the first block went into what is looked at in the end: `start` times the product of matrices.

    `attentions` of the blocks from first to last (…, N, N), rows summing to 1, later ones multiplied from the left; `start`
    (…, R, N), weights of what is read in the end → (…, R, N). Some rows need no product of whole matrices.
    """
    with full_precision(start):
        start = at_least_float32(start)
        for attention in reversed(attentions):
            start = start @ at_least_float32(attention)
        return start


def _heads(layer: Attention, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (B, heads, N, D / heads)."""
    batch, count, _ = tokens.shape
    q, k, v = layer.qkv(tokens).reshape(batch, count, 3, layer.num_heads, layer.head_dim).permute(2, 0, 3, 1, 4).unbind(0)
    return layer.q_norm(q), layer.k_norm(k), v


def overlap_patches(model: VisionTransformer, stride: int) -> None:
    """Makes patches overlap: the pretrained kernel at a smaller stride, the pretrained positions resized to the finer grid."""
    from timm.layers import resample_abs_pos_embed

    embed = model.patch_embed
    (patch, _), old = embed.patch_size, embed.grid_size
    if not 0 < stride <= patch:
        raise UnsuitableBackbone(f"patches of {patch} px can't have a stride of {stride} px: expected 1 to {patch}")
    embed.proj.stride = (stride, stride)
    embed.grid_size = tuple((side - patch) // stride + 1 for side in embed.img_size)
    embed.num_patches = embed.grid_size[0] * embed.grid_size[1]
    prefix = 0 if model.no_embed_class else model.num_prefix_tokens
    resized = resample_abs_pos_embed(model.pos_embed.data, list(embed.grid_size), list(old), num_prefix_tokens=prefix)
    model.pos_embed = nn.Parameter(resized.to(model.pos_embed.dtype))


def refuse_what_the_driver_would_get_wrong(model: nn.Module, name: str) -> None:
    """By exact type: a subclass may compute something else. Raises UnsuitableBackbone."""
    from timm.layers import Attention, PatchDropout, PatchEmbed
    from timm.models.vision_transformer import Block, VisionTransformer

    if type(model) is not VisionTransformer:
        raise UnsuitableBackbone(f"{name} is a {type(model).__name__}; {EXPECTED}")
    lacks = [
        ("has no class token", not model.has_class_token),
        ("has no learned positions", model.pos_embed is None),
        (f"has a patch embedding of its own ({type(model.patch_embed).__name__})", type(model.patch_embed) is not PatchEmbed),
        ("drops patches in training", isinstance(model.patch_drop, PatchDropout)),
        ("changes its positions with the image's size", model.dynamic_img_size),
        *((f"has blocks of its own ({type(block).__name__})", type(block) is not Block) for block in model.blocks),
        *(
            (f"has an attention of its own ({type(block.attn).__name__})", type(block.attn) is not Attention)
            for block in model.blocks
            if hasattr(block, "attn")
        ),
    ]
    for reason, applies in lacks:
        if applies:
            raise UnsuitableBackbone(f"{name} {reason}; {EXPECTED}")


EXPECTED = (
    "expected a plain VisionTransformer of timm with a class token, such as finch_vit, vit_base_patch16_224, "
    "deit3_small_patch16_224 or vit_small_patch14_dinov2"
)
