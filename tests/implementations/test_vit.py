"""The block-by-block driver computes what timm computes, and what a paper asks of it beside."""

from __future__ import annotations

import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer

from implementations.common.vit import UnsuitableBackbone, ViT, attend, overlap_patches, rollout, rollout_with_skips, take, watch
from tests.implementations.tiny import Given, stochastic

TIMM = ["vit_tiny_patch16_224", "deit3_small_patch16_224", "vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2"]


def driver(**arguments) -> ViT:
    torch.manual_seed(0)
    settings = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 3, "num_heads": 4, "num_classes": 0, "init_values": 1.0}
    return ViT(VisionTransformer(**settings | arguments).eval(), "tiny").double()


def images(side: int = 32, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("name", TIMM)
def test_with_nothing_asked_the_tokens_and_gradients_are_timms_own_to_the_bit(name):
    torch.manual_seed(0)
    model = timm.create_model(name, img_size=56, num_classes=0, depth=2).eval()
    for parameter_name, parameter in model.named_parameters():
        if "ls" in parameter_name and parameter_name.endswith("gamma"):
            torch.nn.init.ones_(parameter)  # at its initial 1e-5 it would hide any error of the attention
    batch = images(56).float()
    expected = model.forward_features(batch)
    expected_gradient = torch.autograd.grad(expected.square().sum(), model.patch_embed.proj.weight)[0]
    found = ViT(model, name)(batch)
    assert torch.equal(found, expected)
    gradient = torch.autograd.grad(found.square().sum(), model.patch_embed.proj.weight)[0]
    assert torch.equal(gradient, expected_gradient)


def test_a_block_that_is_watched_gives_the_same_tokens_and_its_attention():
    vit = driver(qk_norm=True)
    tokens = vit.embed(images())
    for block in vit.blocks:
        attended = attend(block, tokens)
        assert torch.equal(attended.tokens, block(tokens))
        attention = attended.maps.attention()
        assert torch.allclose(attended.maps.scores().softmax(-1), attention)
        assert torch.allclose(attention.sum(-1), torch.ones(2, 4, 17, dtype=torch.float64))
        assert torch.allclose(attended.maps.attention(slice(3, 5)), attention[:, :, 3:5])
        assert torch.allclose(attended.maps.scores(keys=slice(0, 1)), attended.maps.scores()[..., :1])
        tokens = attended.tokens


def test_the_attention_is_the_one_by_which_the_block_mixes_its_values():
    vit = driver()
    block, tokens = vit.blocks[0], vit.embed(images())
    normed = block.norm1(tokens)
    values = block.attn.qkv(normed)[..., 64:].unflatten(2, (4, 8)).transpose(1, 2)
    mixed = (attend(block, tokens).maps.attention() @ values).transpose(1, 2).flatten(2)
    assert torch.allclose(block.attn.proj(mixed), block.attn(normed))


def test_attention_is_to_be_read_and_has_no_gradient_but_the_tokens_have():
    vit = driver()
    tokens = vit.embed(images())
    attended = attend(vit.blocks[0], tokens)
    assert not attended.maps.attention().requires_grad
    plain = torch.autograd.grad(vit.blocks[0](tokens).square().sum(), tokens, retain_graph=True)[0]
    assert torch.allclose(torch.autograd.grad(attended.tokens.square().sum(), tokens)[0], plain)


def test_maps_are_float32_under_bf16_autocast():
    vit = driver().float()
    with torch.autocast("cpu", torch.bfloat16):
        attended = attend(vit.blocks[0], vit.embed(images().float()))
        attention, scores = attended.maps.attention(), attended.maps.scores()
    assert attention.dtype == scores.dtype == torch.float32
    assert (attention.sum(-1) - 1).abs().max() < 1e-6


def test_with_its_own_tokens_as_context_a_block_is_unchanged_and_with_anothers_it_sees_only_them():
    vit = driver(qkv_bias=True)
    tokens = vit.embed(images())
    assert torch.allclose(attend(vit.blocks[0], tokens, context=tokens.clone()).tokens, vit.blocks[0](tokens))
    swapped = attend(vit.blocks[0], tokens[:1], context=tokens[1:]).tokens
    hidden = tokens[:1].clone()
    hidden[:, 3:] += 1
    again = attend(vit.blocks[0], hidden, context=tokens[1:]).tokens
    assert torch.allclose(again[:, :3], swapped[:, :3])  # its other tokens play no part


def test_beside_its_own_an_image_sees_the_keys_of_its_partner_with_gradient():
    vit = driver()
    tokens = vit.embed(images(count=3)).detach().requires_grad_()
    partners = torch.tensor([2, 0, 1])
    attended = attend(vit.blocks[0], tokens, beside=partners)
    both = torch.cat([tokens, tokens[partners]], dim=1)
    assert torch.allclose(attended.tokens, attend(vit.blocks[0], tokens, context=both).tokens)
    assert attended.maps.attention().shape == (3, 4, 17, 34)
    slopes = torch.autograd.grad(attended.tokens[0].square().sum(), tokens)[0].abs().sum((1, 2))
    assert (slopes > 0).tolist() == [True, False, True]


@pytest.mark.parametrize("bias", [True, False])
def test_keys_and_values_of_a_context_need_no_queries(bias):
    vit = driver(qkv_bias=bias)
    tokens = vit.embed(images())
    assert torch.allclose(attend(vit.blocks[1], tokens[:, :4], context=tokens).tokens, vit.blocks[1](tokens)[:, :4])


def test_a_block_can_be_fed_some_of_the_tokens():
    vit = driver()
    tokens = vit.embed(images())
    assert attend(vit.blocks[-1], take(tokens, torch.tensor([[0, 4, 9]] * 2))).tokens.shape == (2, 3, 32)


def test_own_tokens_stand_behind_the_class_token_and_count_as_prefix():
    vit = driver(reg_tokens=2)
    plain = vit.embed(images())
    vit.add_tokens(1)
    own = torch.full((1, 32), 7.0, dtype=torch.float64)
    tokens = vit.embed(images(), own)
    assert torch.allclose(vit.embed(images(), vit.class_token())[:, 1], plain[:, 0])
    assert vit.prefix == 4
    assert torch.equal(tokens[:, 0], plain[:, 0])
    assert (tokens[:, 1] == 7).all()
    assert torch.equal(vit.patches(tokens), plain[:, 3:])


def test_a_papers_own_token_is_dropped_out_and_normed_as_the_class_token_is():
    vit = driver(pre_norm=True, pos_drop_rate=0.5)
    torch.nn.init.normal_(vit.model.norm_pre.weight)
    vit.add_tokens(1)
    assert torch.allclose(*vit.embed(images(), vit.class_token())[:, :2].unbind(1))
    torch.manual_seed(0)
    share = (driver(pos_drop_rate=0.5).train().embed(images(), torch.ones(1, 32).double())[:, 1] == 0).double().mean()
    assert 0.25 < share < 0.75


def test_overlapping_patches_see_the_pretrained_kernel_at_a_finer_stride():
    vit = driver()
    weight, bias = vit.model.patch_embed.proj.weight, vit.model.patch_embed.proj.bias
    overlap_patches(vit.model, 4)
    assert vit.grid == (7, 7)
    assert vit.model.patch_embed.num_patches == 49
    patches = vit.model.patch_embed(images()).unflatten(1, (7, 7))
    expected = torch.einsum("bchw,dchw->bd", images()[:, :, 4:12, 8:16], weight) + bias
    assert torch.allclose(patches[:, 1, 2], expected)
    assert vit(images()).shape == (2, 50, 32)


@pytest.mark.parametrize(("side", "patch", "stride", "expected"), [(448, 16, 12, 37), (448, 16, 16, 28), (96, 16, 12, 7), (96, 8, 6, 15)])
def test_the_grid_counts_the_patches_of_the_paper(side, patch, stride, expected):
    model = VisionTransformer(img_size=side, patch_size=patch, embed_dim=8, depth=1, num_heads=2, num_classes=0)
    assert ViT(model, "tiny", stride=stride).grid == (expected, expected)


def test_at_the_patch_size_itself_positions_stay_as_they_were():
    plain, asked = driver(), VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=3, num_heads=4, num_classes=0)
    asked.load_state_dict(plain.model.state_dict(), strict=False)
    assert torch.equal(ViT(asked, "tiny", stride=8).model.pos_embed.double(), plain.model.pos_embed)


def test_a_fresh_block_has_the_lasts_shape_and_none_of_its_weights():
    vit = driver()
    torch.nn.init.ones_(vit.blocks[-1].norm1.bias)
    fresh = vit.fresh_block()
    assert {name: p.shape for name, p in fresh.named_parameters()} == {name: p.shape for name, p in vit.blocks[-1].named_parameters()}
    assert not torch.equal(fresh.attn.qkv.weight, vit.blocks[-1].attn.qkv.weight)
    assert (fresh.norm1.bias == 0).all()
    assert (fresh.norm1.weight == 1).all()


@pytest.mark.parametrize(("width", "attention", "mlp"), [(768, 0.0208, 0.0228), (64, 0.0722, 0.0791)])
def test_a_fresh_block_is_drawn_as_transfgs_and_ffvts_authors_draw_theirs(width, attention, mlp):
    """At ViT-B's width: attention's weights and biases deviate by 1/√(3·768), the MLP's weights by √(2 / (768 + 3072))."""
    torch.manual_seed(0)
    vit = ViT(VisionTransformer(img_size=16, patch_size=8, embed_dim=width, depth=1, num_heads=4, num_classes=0), "tiny")
    fresh = vit.fresh_block()
    bound = width**-0.5
    for layer in (fresh.attn.qkv, fresh.attn.proj):
        assert layer.weight.std().item() == pytest.approx(attention, rel=0.03)
        assert layer.bias.std().item() == pytest.approx(attention, rel=0.15)
        assert 0.95 * bound < layer.weight.abs().max().item() <= bound
    for layer in (fresh.mlp.fc1, fresh.mlp.fc2):
        assert layer.weight.std().item() == pytest.approx(mlp, rel=0.03)
        assert layer.weight.abs().max().item() <= 3**0.5 * mlp * 1.001  # uniform, not normal
        assert layer.bias.std().item() == pytest.approx(1e-6, rel=0.25)


def given(*attentions: torch.Tensor) -> list[Given]:
    return [Given(one) for one in attentions]


def test_a_rollout_multiplies_the_later_layers_attention_from_the_left():
    first, second = torch.tensor([[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]), torch.tensor([[0.2, 0, 0.8], [0, 1, 0], [0, 0, 1]])
    product = rollout(given(first[None, None]), second[None, None])
    assert product[0, 0, 0].tolist() == pytest.approx([0.1, 0.1, 0.8])  # the other order gives [.1, .5, .4]


def test_a_rollout_of_some_rows_is_these_rows_of_the_whole_product_and_of_their_mean_its_mean():
    attentions = [stochastic(2, 4, 9, 9).roll(shift, 2) for shift in range(4)]
    whole = attentions[3] @ attentions[2] @ attentions[1] @ attentions[0]
    assert torch.allclose(rollout(given(*attentions), torch.eye(9).double()), whole)
    assert torch.allclose(rollout(given(*attentions[:3]), attentions[3][:, :, :1]), whole[:, :, :1])
    assert torch.allclose(rollout(given(*attentions), torch.full((1, 9), 1 / 9).double()), whole.mean(2, keepdim=True))


def test_a_rollout_with_skips_is_of_the_heads_mean_and_half_of_the_identity():
    attentions = [stochastic(2, 4, 9, 9).roll(shift, 2) for shift in range(4)]
    whole = torch.eye(9).double()
    for attention in attentions:
        whole = (attention.mean(1) + torch.eye(9)) / 2 @ whole
    assert torch.allclose(rollout_with_skips(given(*attentions), torch.eye(9).double()), whole)
    assert torch.allclose(whole.sum(-1), torch.ones(2, 9).double())


def test_a_rollouts_rows_sum_to_one_and_identity_leaves_every_token_to_itself():
    some = stochastic(2, 4, 9, 9)
    assert torch.allclose(rollout(given(*[some] * 4), some).sum(-1), torch.ones(2, 4, 9).double())
    for one in (rollout, rollout_with_skips):
        assert torch.equal(one(given(*[torch.eye(5).expand(1, 2, 5, 5)] * 3), torch.eye(5)).flatten(0, -3)[0], torch.eye(5))


def test_a_uniform_first_layer_makes_every_row_of_a_rollout_uniform_whatever_follows():
    uniform = torch.full((1, 2, 5, 5), 0.2, dtype=torch.float64)
    assert torch.allclose(rollout(given(uniform, stochastic(1, 2, 5, 5)), stochastic(1, 2, 5, 5)), uniform)


def test_a_rollout_keeps_float32_under_bf16_autocast():
    attention = stochastic(1, 2, 65, 65).float()
    with torch.autocast("cpu", torch.bfloat16):
        products = rollout(given(*[attention] * 3), attention), rollout_with_skips(given(*[attention] * 3), attention[:, 0])
    assert all((product.sum(-1) - 1).abs().max() < 1e-5 for product in products)


def test_watching_blocks_gives_what_they_give_and_each_ones_maps():
    vit = driver()
    tokens, watched = watch(vit.blocks, vit.embed(images()))
    assert torch.equal(tokens, vit.blocks(vit.embed(images())))
    assert torch.equal(watched[1].maps.attention(), attend(vit.blocks[1], watched[0].tokens).maps.attention())


def test_a_patchs_box_is_what_its_kernel_sees():
    vit = driver()
    assert vit.boxes(torch.tensor([[1, 7, 0]])).tolist() == [[[0, 0, 8, 8], [8, 16, 16, 24], [0, 0, 0, 0]]]
    assert vit.pixels(torch.tensor([1, 0, 3, 4])).tolist() == [8, 0, 24, 32]
    overlap_patches(vit.model, 4)
    assert vit.boxes(torch.tensor([[1, 9]])).tolist() == [[[0, 0, 8, 8], [4, 4, 12, 12]]]


@pytest.mark.parametrize("stride", [4, 5, 6, 8])
def test_all_patches_together_see_the_whole_image_whatever_the_stride(stride):
    vit = driver()
    overlap_patches(vit.model, stride)
    assert vit.pixels(torch.tensor([0, 0, *vit.grid])).tolist() == [0, 0, 32, 32]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("deit_tiny_distilled_patch16_224", "is a VisionTransformerDistilled"),
        ("eva02_tiny_patch14_224", "is a Eva"),
        ("beit_base_patch16_224", "is a Beit"),
        ("vit_relpos_small_patch16_224", "is a VisionTransformerRelPos"),
        ("vit_base_patch16_siglip_224", "has no class token"),
        ("vit_small_r26_s32_224", "has a patch embedding of its own"),
        ("test_vit", "changes its positions with the image's size"),
    ],
)
def test_what_the_driver_would_get_wrong_is_refused_with_what_would_do(name, reason):
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=0, **({"depth": 1} if "eva" not in name and "r26" not in name else {}))
    with pytest.raises(UnsuitableBackbone, match=f"{name} {reason}.*expected a plain VisionTransformer.*vit_base_patch16_224"):
        ViT(model, name)


def test_blocks_of_another_kind_are_refused():
    from timm.models.vision_transformer import ParallelScalingBlock

    model = VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=1, num_heads=4, num_classes=0, block_fn=ParallelScalingBlock)
    with pytest.raises(UnsuitableBackbone, match="tiny has blocks of its own"):
        ViT(model, "tiny")


def test_patches_that_training_drops_are_refused():
    model = VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=1, num_heads=4, num_classes=0, patch_drop_rate=0.5)
    with pytest.raises(UnsuitableBackbone, match="tiny drops patches in training"):
        ViT(model, "tiny")


@pytest.mark.parametrize("stride", [0, 9])
def test_a_stride_outside_the_patch_is_refused(stride):
    with pytest.raises(UnsuitableBackbone, match=f"stride of {stride} px: expected 1 to 8"):
        overlap_patches(driver().model, stride)
