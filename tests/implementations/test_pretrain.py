"""The pretraining of the shipped backbones: from labels alone, stopped and resumed, and told by its record."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from implementations.baseline import Baseline
from implementations.common import backbones, finches, pretrain
from implementations.common.interrupt import Interrupted
from implementations.common.recipes import resolve
from implementations.common.train import Trainer
from implementations.common.weights import SHIPPED, Source, sha256


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Two families of two species, ten images of each, one epoch."""
    monkeypatch.setenv("FINCH_CACHE", str(tmp_path / "cache"))
    for name, value in (("FAMILIES", 2), ("SIBLINGS", 2), ("IMAGES", 10)):
        monkeypatch.setattr(pretrain, name, value)
    monkeypatch.setattr(pretrain, "HOW", {name: dict(how) | {"epochs": 1, "batch_size": 8} for name, how in pretrain.HOW.items()})
    return tmp_path


def wanted(name):
    return backbones.Wanted(name=name, families=("cnn", "vit"), input_size=96)


@pytest.mark.parametrize("name", backbones.OWN)
def test_what_it_writes_can_be_loaded_as_the_backbones_weights(small, name, capsys):
    assert pretrain.main([name, "--threads", "1", "--into", str(small)]) == 0
    record = json.loads(capsys.readouterr().out)
    file = small / f"{name}.safetensors"
    backbone, loaded = backbones.create(wanted(name), Source(file=file))
    assert record["sha256"] == loaded.sha256 == sha256(file)
    assert record["drawing"] | {"images": 40, "species": 4} == record["drawing"]
    assert record["parameters"] == sum(parameter.numel() for parameter in backbone.parameters())
    assert not list((small / "cache" / "pretraining").iterdir())


def test_stopped_and_run_again_it_gives_the_bytes_of_one_run(small, monkeypatch, capsys):
    assert pretrain.main(["finch_vit", "--threads", "1", "--into", str(small)]) == 0
    step = Trainer.step

    def stop_after_two(trainer, *batch):
        terms = step(trainer, *batch)
        if trainer.state.step == 2:
            trainer._save(trainer.settings.checkpoint)
            raise Interrupted("stopped")
        return terms

    (small / "again").mkdir()
    again = ["finch_vit", "--threads", "1", "--into", str(small / "again")]
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "step", stop_after_two)
        assert pretrain.main(again) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert pretrain.main(again) == 0
    assert "goes on at step 2" in capsys.readouterr().err
    assert sha256(small / "again" / "finch_vit.safetensors") == sha256(small / "finch_vit.safetensors")


def test_without_boxes_it_makes_the_same_weights(small):
    data, made = pretrain.birds(), []
    blind = {name: dataclasses.replace(getattr(data, name), boxes=None) for name in ("train", "validation", "test")}
    for images in (data, dataclasses.replace(data, **blind)):
        trainer = pretrain.trainer_of("finch_vit", images, small / f"state-{len(made)}", pretrain.Console(quiet=True))
        trainer.fit()
        made.append(trainer.method.state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


def test_the_teachers_features_have_mean_0_and_deviation_1_on_the_images_it_was_calibrated_on():
    teacher = pretrain.Teacher(96, (12, 12))
    images = torch.rand(6, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    teacher.calibrate(images)
    with torch.no_grad():
        features = teacher(images)
    assert {name: tuple(entry.shape) for name, entry in features.items()} == {"whole": (6, 1, 128), "places": (6, 36, 128), "patches": (6, 144, 48)}
    for entry in features.values():
        rows = entry.flatten(0, 1)
        assert rows.mean(0).abs().max() < 1e-4
        assert (rows.std(0) - 1).abs().median() < 0.1  # a channel that noise doesn't stir has less


def test_the_teacher_is_neither_trained_nor_kept(small):
    trainer = pretrain.trainer_of("finch_vit", pretrain.birds(), small / "state", pretrain.Console(quiet=True))
    (teacher,) = trainer.method.teacher
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    trainer.fit()
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    assert not [name for name in trainer.method.state_dict() if "teacher" in name]


@pytest.mark.parametrize("name", backbones.OWN)
def test_the_record_tells_how_the_weights_were_made(name):
    record = json.loads((SHIPPED / f"{name}.json").read_text(encoding="utf-8"))
    species = pretrain.FAMILIES * pretrain.SIBLINGS
    assert record["drawing"] == {"version": finches.VERSION, "seed": pretrain.SEED, "species": species, "images": species * pretrain.IMAGES}
    how = dict(pretrain.HOW[name])
    assert {key: record["recipe"][key] for key in how} == {key: value for key, value in resolve(Baseline.recipe, how).as_data().items() if key in how}
    assert record.get("teacher") == (sha256(SHIPPED / f"{pretrain.TEACHER}.safetensors") if name == "finch_vit" else None)
    assert name in record["command"]
    base, arguments = backbones.OWN[name]
    assert record["backbone"] == {"timm": base, **{key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}}
    assert sum(path.stat().st_size for path in SHIPPED.glob("*.safetensors")) < 6e6
