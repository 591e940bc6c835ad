"""A vision transformer run block by block, so that a paper can look at attention, choose tokens, or feed a block its own.

A driver over timm's VisionTransformer: with nothing asked for it computes what timm's `forward_features` computes, by the same
fused kernels. A block's attention is computed beside these, from its queries and keys, where a paper reads it.
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
    """A block's attention, reckoned where it is read, in at least float32; to be read: it has no gradient.

    From its queries (B, heads, N, d), its keys (B, heads, M, d), and what their products are scaled by.
    """

    queries: Tensor
    keys: Tensor
    scale: float

    def scores(self, queries: slice = EVERY, keys: slice = EVERY) -> Tensor:
        """(B, heads, N, M) before softmax, or of some queries and keys alone."""
        with full_precision(self.queries):
            return at_least_float32(self.queries[:, :, queries]) * self.scale @ at_least_float32(self.keys[:, :, keys]).mT

    def attention(self, queries: slice = EVERY) -> Tensor:
        """(B, heads, N, M) after softmax over the keys, or of some queries alone."""
        return self.scores(queries).softmax(-1)


@dataclass(frozen=True)
class Attended:
    """What a block gives: its tokens (B, N, D), and its attention."""

    tokens: Tensor
    maps: Maps


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

        `own` (P, D) are tokens of the paper's, set behind the class token, their positions in them; dropout and norm before the
        blocks are theirs, too. `add_tokens` has told how many there will be.
        """
        model = self.model
        tokens = model.norm_pre(model.patch_drop(model._pos_embed(model.patch_embed(images))))
        if own is None:
            return tokens
        own = model.norm_pre(model.pos_drop(own.repeat(len(tokens), 1, 1)))  # a view would trip torch's counter of FLOPs
        return torch.cat([tokens[:, :1], own, tokens[:, 1:]], dim=1)

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
        """Boxes of patches, (…, 4) as top, left, bottom, right of the grid, ends exclusive → what they see, in pixels.

        What touches the grid's end reaches the image's edge, which patches of another stride may miss.
        """
        patch, stride = self.model.patch_embed.patch_size[0], self.model.patch_embed.proj.stride[0]
        ends = (cells[..., 2:] - 1) * stride + patch
        last = cells[..., 2:] == torch.tensor(self.grid, device=cells.device)
        return torch.cat([cells[..., :2] * stride, torch.where(last, self.input_size, ends)], dim=-1)

    def boxes(self, chosen: Tensor) -> Tensor:
        """Numbers of tokens (…) → the boxes in pixels that these see (…, 4); without area for a token before the patches."""
        place = chosen - self.prefix
        corner = torch.stack([place // self.grid[1], place % self.grid[1]], dim=-1)
        return torch.where(place[..., None] < 0, 0, self.pixels(torch.cat([corner, corner + 1], dim=-1)))

    def class_token(self) -> Tensor:
        """The class token with its position, as `embed` takes a paper's own: (1, D)."""
        model = self.model
        return model.cls_token[0] if model.no_embed_class else model.cls_token[0] + model.pos_embed[0, :1]

    def set_dropout(self, rate: float) -> None:
        """Dropout on the embeddings and in the MLPs, as ViT's authors fine-tune; none in attention."""
        mlps = [block.mlp for block in self.blocks]
        for layer in (self.model.pos_drop, *(drop for mlp in mlps for drop in (mlp.drop1, mlp.drop2))):
            layer.p = rate

    def fresh_block(self) -> nn.Module:
        """A block like the last, freshly initialised, for a paper that doesn't load its own.

        As the PyTorch ViT does that TransFG's and FFVT's code is built on (jeonsworld/ViT-pytorch, models/modeling.py): attention
        as torch draws a linear layer, weights and biases within ±1/√D; the MLP's weights by Xavier's uniform rule, its biases
        with a deviation of 1e-6.
        """
        block = copy.deepcopy(self.blocks[-1])
        for module in block.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        for layer in (one for one in block.mlp.modules() if isinstance(one, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=1e-6)
        return block.requires_grad_(True)

    def drop_last_block(self) -> None:
        """Takes the last block off, for a paper that puts its own there."""
        self.model.blocks = self.blocks[:-1]


def attend(block: nn.Module, tokens: Tensor, *, context: Tensor | None = None, beside: Tensor | None = None) -> Attended:
    """Runs one block on tokens (B, N, D) by the fused kernel, and keeps its attention to be read.

    `context` (B, M, D): tokens, as they are before this block, whose keys and values the queries see in place of their own.
    `beside` (B): of each image, which one of the batch has the keys and values that its queries see beside its own.
    """
    layer, normed = block.attn, block.norm1(tokens)
    q, k, v = _heads(layer, normed, normed if context is None else block.norm1(context))
    if beside is not None:
        k, v = (torch.cat([own, own.index_select(0, beside)], dim=2) for own in (k, v))
    dropout = layer.attn_drop.p if layer.training else 0.0
    mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout).transpose(1, 2).flatten(2)
    mixed = layer.norm(mixed)
    if layer.gate is not None:
        mixed = mixed * layer.gate(normed).sigmoid()
    tokens = tokens + block.drop_path1(block.ls1(layer.proj_drop(layer.proj(mixed))))
    tokens = tokens + block.drop_path2(block.ls2(block.mlp(block.norm2(tokens))))
    return Attended(tokens, Maps(q.detach(), k.detach(), layer.scale))


def _heads(layer: Attention, tokens: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries of tokens, keys and values of their context, (B, heads, N, D / heads) each."""

    def split(projected: Tensor) -> Tensor:
        return projected.unflatten(2, (-1, layer.num_heads, layer.head_dim)).permute(2, 0, 3, 1, 4)

    if context is tokens:
        q, k, v = split(layer.qkv(tokens))
    else:
        width = layer.num_heads * layer.head_dim
        weights = layer.qkv.weight.split([width, 2 * width])
        biases = layer.qkv.bias.split([width, 2 * width]) if layer.qkv.bias is not None else (None, None)
        (q,), (k, v) = (
            split(F.linear(one, *of)) for one, of in zip((tokens, context), zip(weights, biases, strict=True), strict=True)
        )
    return layer.q_norm(q), layer.k_norm(k), v


def watch(blocks: Iterable[nn.Module], tokens: Tensor) -> tuple[Tensor, list[Attended]]:
    """Runs blocks one after the other on tokens (B, N, D) → the last one's tokens, and what each gave."""
    watched: list[Attended] = []
    for block in blocks:
        watched.append(attend(block, tokens))
        tokens = watched[-1].tokens
    return tokens, watched


def take(tokens: Tensor, chosen: Tensor) -> Tensor:
    """(B, N, D), numbers of tokens (B, M) → these tokens (B, M, D)."""
    return tokens.gather(1, chosen[..., None].expand(-1, -1, tokens.shape[-1]))


def rollout(maps: Sequence[Maps], start: Tensor) -> Tensor:
    """How much each token of the first block went into what is looked at in the end, head by head.

    `start` (…, R, N), weights of what is read of the last block's queries, times the product of all blocks' attention, later ones
    from the left → (B, heads, R, N). Block by block, so that one whole matrix at a time is held.
    """
    with full_precision(start):
        start = at_least_float32(start)
        for one in reversed(maps):
            start = start @ one.attention()
        return start


def rollout_with_skips(maps: Sequence[Maps], start: Tensor) -> Tensor:
    """The same of the heads' mean, where half of what a block passes on goes around it (Abnar & Zuidema 2020): (B, R, N)."""
    with full_precision(start):
        start = at_least_float32(start)
        for one in reversed(maps):
            # A row of each head is less to hold than the heads' mean matrix.
            start = ((start[..., None, :, :] @ one.attention()).mean(-3) + start) / 2
        return start


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
