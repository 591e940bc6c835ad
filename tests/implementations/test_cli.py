"""The command line as a person uses it: a demo, one's own images, a run that is stopped, and what is said when something is wrong."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from safetensors import safe_open

from implementations.__main__ import implemented
from implementations.common import cli, finches, fingerprint, records
from implementations.common.interrupt import Interrupted
from implementations.common.train import Trainer
from tests import forked
from tests.implementations.test_methods import method_of

ROOT = Path(__file__).resolve().parents[2]
FINGERPRINT = fingerprint.of
SHORT = ["--set", "epochs=1", "--test-images", "2", "--validation-images", "2", "--threads", "1"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory, drawn) -> Path:
    """One cache for all."""
    return drawn(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def finch(cache, monkeypatch, capsys):
    """Runs a paper's command line in this process: exit code and all that was said. Few images and no fingerprint: it is quick."""
    monkeypatch.setenv("FINCH_CACHE", str(cache))
    monkeypatch.setattr(finches, "TRAINING_IMAGES", 2)
    monkeypatch.setattr(fingerprint, "of", lambda method, recipe: None)

    def run(paper: str, *arguments: object) -> tuple[int, str]:
        code = cli.main(method_of(paper), [str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return run


@pytest.fixture(scope="module")
def own_images(tmp_path_factory) -> Path:
    """Three species of finches as folders of files, with an order and a family of each."""
    root = tmp_path_factory.mktemp("own")
    for number, name in enumerate(("jay", "tit", "wren")):
        species = finches.family(7, number, 2)[0]
        for split, count in (("train", 6), ("test", 2)):
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                Image.fromarray(finches.draw(species, finches.generator(split, number, index)).pixels).save(root / split / name / f"{index}.png")
    order, family = "{large: [jay], small: [tit, wren]}", "{crows: [jay], tits: [tit], wrens: [wren]}"
    (root / "classes.yaml").write_text(f"order: {order}\nfamily: {family}\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def trained(cache, own_images, tmp_path_factory) -> Path:
    """A checkpoint of the baseline on one's own images."""
    os.environ["FINCH_CACHE"] = str(cache)
    try:
        arguments = ["--dataset", "folder", "--data", str(own_images), "--set", "epochs=3", "--set", "batch_size=5", "--threads", "1", "--workers", "0"]
        assert cli.main(method_of("baseline"), arguments) == 0
    finally:
        del os.environ["FINCH_CACHE"]
    return newest(cache / "runs" / "baseline", own_images.name)


def newest(runs: Path, images: str) -> Path:
    """The weights of the last run on some images: other tests train on them, too, by other recipes."""
    return max(runs.glob(f"{images}-*/final.safetensors"), key=lambda path: path.stat().st_mtime)


def test_a_run_says_what_it_reached_and_leaves_a_record_with_a_picture_that_a_second_run_repeats(finch, tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "of", FINGERPRINT)
    code, said = finch("baseline", *SHORT, "--records", tmp_path / "one", "--log", tmp_path / "log.jsonl")
    assert code == 0
    assert "synthetic-finches: 64 test images of 32 classes, finch_resnet" in said
    assert "looks at the part" in said
    path = tmp_path / "one" / "baseline" / "synthetic-finches-demo-finch_resnet-epochs=1-seed0.json"
    assert f"record:  {path}" in said
    record = records.read(path)
    assert record.outcome.top1 == pytest.approx(sum(a == b for a, b in zip(records.decode(record.outcome.predictions), records.decode(record.labels), strict=True)) / 64)
    assert record.recipe["epochs"] == 1
    assert record.compute.threads == 1
    assert record.backbone.weights == "shipped with Finch, implementations/weights/finch_resnet.safetensors"
    assert sum(map(sum, record.outcome.family_confusion)) == 64
    assert len(record.evidence) == 8
    assert record.fingerprint["computed"]["losses"]
    assert record.seal == records.seal_of(record)
    with Image.open(path.with_name(record.picture)) as picture:
        assert picture.width == 4 * 200 + 8
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [2]
    assert lines[0].keys() == {"method", "seed", "step", "epoch", "phase", "loss", "terms", "lr", "steps_per_second"}
    assert finch("baseline", *SHORT, "--records", tmp_path / "two")[0] == 0
    again = records.read(tmp_path / "two" / "baseline" / path.name)
    assert (again.outcome.predictions, again.fingerprint, again.evidence) == (record.outcome.predictions, record.fingerprint, record.evidence)


def test_a_demo_compares_with_the_baselines_committed_record_of_the_same_budget_on_the_same_images(finch, tmp_path, monkeypatch):
    assert finch("baseline", *SHORT[:2], "--test-images", "3", *SHORT[4:], "--records", tmp_path)[0] == 0
    monkeypatch.setattr(records, "RECORDS", tmp_path)
    code, said = finch("api-net", *SHORT, "--records", tmp_path)
    assert code == 0
    assert "baseline (committed record)" in said
    assert re.search(r"[+-]\d+\.\d points against the baseline \(95% interval of these two runs: [+-]\d+\.\d to [+-]\d+\.\d\)", said)
    said = finch("api-net", *SHORT, "--set", "epochs=2", "--records", tmp_path)[1]
    assert "No committed record of the baseline fits this run; --compare baseline trains it." in said


def test_the_baseline_is_trained_anew_when_asked_by_its_own_recipe_at_the_methods_budget(finch, tmp_path):
    own = ["--set", "hidden=16", "--set", "lr=1e-3", "--note", "of the method"]
    code, said = finch("api-net", *SHORT, *own, "--records", tmp_path, "--compare", "baseline")
    assert code == 0
    assert "baseline (committed record)" not in said
    assert "points against the baseline" in said
    assert records.read_all(tmp_path / "baseline")
    ours, theirs = (records.read_all(tmp_path / paper)[0][1] for paper in ("api-net", "baseline"))
    assert (ours.seed, ours.backbone, ours.budget) == (theirs.seed, theirs.backbone, theirs.budget)
    assert (ours.changes[1:], theirs.changes) == (["hidden=16", "lr=1e-3"], ["epochs=1"])
    assert theirs.note is None
    assert theirs.recipe["lr"] == method_of("baseline").demo["cnn"]["lr"]


def test_a_command_that_goes_on_finds_what_is_recorded_already(finch, tmp_path):
    assert finch("baseline", *SHORT, "--seeds", 0, "--records", tmp_path)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    code, said = finch("baseline", *SHORT, "--seeds", 0, 1, 1, "--records", tmp_path, "--resume")
    assert code == 0
    assert said.count("recorded already: ") == 1
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(tmp_path.rglob("*.json"))) == 2
    code, said = finch("baseline", *SHORT, "--weights", "none", "--records", tmp_path, "--resume")
    assert code == 0
    assert "recorded already" not in said


@pytest.mark.parametrize("device", ["directory", "full"])
def test_a_log_that_cant_be_written_is_named(finch, tmp_path, device):
    log = tmp_path if device == "directory" else Path("/dev/full")
    code, said = finch("baseline", *SHORT, "--records", tmp_path, "--log", log)
    assert code == 1
    assert f"finch: {log}: can't be written" in said


def test_a_trial_looks_at_validation_alone_and_is_logged_with_its_recipe_one_for_each_of_several_values(finch, tmp_path):
    for words, change in (("both", "lr=1e-3,2e-3"), ("one more", "lr=4e-3")):
        code, said = finch("baseline", *SHORT, "--records", tmp_path, "--set", change, "--trial", words)
        assert code == 0
        assert f"trial '{words}" in said
        assert f"on 64 validation images, in {tmp_path / 'baseline' / 'trials.jsonl'}" in said
    logged = records.trials_of(tmp_path / "baseline")
    assert [trial.change for trial in logged] == ["both: epochs=1, lr=1e-3", "both: epochs=1, lr=2e-3", "one more"]
    assert [(trial.recipe["lr"], trial.budget.epochs, trial.budget.backbone, trial.dataset.validation, trial.variant) for trial in logged] == [(lr, 1, "finch_resnet", 64, None) for lr in (1e-3, 2e-3, 4e-3)]
    assert records.read_all(tmp_path / "baseline") == []
    assert finch("baseline", *SHORT, "--records", tmp_path)[0] == 0
    assert finch("baseline", "--set", "epochs=2", *SHORT[2:], "--records", tmp_path)[0] == 0
    one, two = (record for _, record in records.read_all(tmp_path / "baseline"))
    assert (one.budget, one.trials) == (logged[0].budget, records.counted(logged))
    assert two.trials == records.counted([])


def test_a_recipe_that_is_logged_with_this_seed_is_tried_again_only_when_asked_in_other_words(finch, tmp_path):
    """Under the same words it is found in the log; other words ask for it anew, as after a change of the code."""
    finch("baseline", *SHORT, "--records", tmp_path, "--set", "lr=1e-3", "--trial", "rates: epochs=1, lr=1e-3")
    code, said = finch("baseline", *SHORT, "--records", tmp_path, "--set", "lr=1e-3,2e-3", "--trial", "rates")
    assert code == 0
    assert "logged already; under other words it is tried anew\ntrial 'rates: epochs=1, lr=1e-3': " in said
    assert said.count("epoch 1") == 1
    finch("baseline", *SHORT, "--records", tmp_path, "--set", "lr=2e-3", "--trial", "again")
    assert [trial.change for trial in records.trials_of(tmp_path / "baseline")] == [*(f"rates: epochs=1, lr={lr}" for lr in ("1e-3", "2e-3")), "again"]


def test_a_run_of_another_recipe_neither_takes_nor_loses_the_state_of_one_that_was_stopped(finch, tmp_path, monkeypatch):
    step = Trainer.step

    def stop(trainer, *batch):
        if trainer.state.step == 1:
            raise Interrupted("stopped")
        return step(trainer, *batch)

    longer = ["--set", "epochs=2", *SHORT[2:], "--records", tmp_path, "--save-every", 0, "--resume", "--set", "lr=1e-3"]
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "step", stop)
        assert finch("baseline", *longer)[0] == 130
    assert finch("baseline", *SHORT, "--records", tmp_path, "--resume")[0] == 0
    code, said = finch("baseline", *longer[:-1], "lr=0.001")  # the same recipe, written otherwise
    assert code == 0
    assert "resumed at step 1 of 4" in said


def test_of_several_values_one_that_cant_be_meant_is_said_before_anything_is_tried(finch, tmp_path):
    code, said = finch("baseline", *SHORT, "--records", tmp_path, "--set", "lr=1e-3,fast", "--trial", "rates")
    assert code == 2
    assert "lr: found 'fast', expected float" in said
    assert records.trials_of(tmp_path / "baseline") == []


def test_a_log_of_trials_that_cant_be_read_is_said_before_anything_is_trained(finch, tmp_path):
    (tmp_path / "baseline").mkdir()
    (tmp_path / "baseline" / records.TRIALS).write_text('{"change": "old"}\n', encoding="utf-8")
    for more in ([], ["--trial", "new"]):
        code, said = finch("baseline", *SHORT, "--records", tmp_path, *more)
        assert code == 1
        assert "trials.jsonl: not a log of trials: " in said
        assert "epoch 1" not in said


def test_a_variant_of_a_file_is_recorded_as_one(finch, tmp_path):
    code, _ = finch("api-net", *SHORT, "--records", tmp_path, "--variant", "implementations/ablations/api_net.py:UniformGates")
    assert code == 0
    ((path, record),) = records.read_all(tmp_path / "api-net")
    assert (record.variant, record.variant_file) == ("UniformGates", "implementations/ablations/api_net.py")
    assert path.name == "synthetic-finches-demo-finch_resnet-UniformGates-epochs=1-seed0.json"


@pytest.mark.parametrize("paper", implemented())
def test_every_method_trains_on_ones_own_images_and_says_what_is_on_one(finch, own_images, tmp_path, cache, paper):
    more = ["--set", "classes_per_batch=3"] if paper in ("api-net", "cin") else []
    options = ["--dataset", "folder", "--data", own_images, "--set", "epochs=1", "--set", "batch_size=6", "--threads", "1", "--workers", "0", *more]
    assert finch(paper, *options, "--records", tmp_path)[0] == 0
    ((_, record),) = records.read_all(tmp_path / paper)
    assert (record.dataset.classes, record.dataset.train, record.dataset.validation, record.dataset.test) == (3, 15, 3, 6)
    assert record.outcome.pointing is None
    assert all(0 <= share <= 1 for share in record.outcome.measures.values())
    checkpoint = newest(cache / "runs" / paper, own_images.name)
    picture = tmp_path / "seen.webp"
    code, said = finch(paper, "predict", own_images / "test" / "jay" / "0.png", own_images / "test" / "tit" / "1.png", "--checkpoint", checkpoint, "--evidence", picture)
    assert code == 0
    shares = [float(share) for share in re.findall(r"(\d+\.\d)%  (?:jay|tit|wren)\b", said)]
    assert len(shares) == 6
    assert sum(shares[:3]) == pytest.approx(100, abs=0.2)
    assert shares[:3] == sorted(shares[:3], reverse=True)
    with Image.open(picture) as drawn:
        assert drawn.width == 2 * 200 + 8


def test_a_run_with_two_coarser_levels_is_recorded_with_its_fingerprint(finch, own_images, tmp_path, monkeypatch):
    """The fingerprint is of the method on classes of its own, which have one coarser level."""
    monkeypatch.setattr(fingerprint, "of", FINGERPRINT)
    options = ["--dataset", "folder", "--data", own_images, "--set", "epochs=1", "--set", "batch_size=6", "--threads", "1", "--workers", "0"]
    code, said = finch("fgn-flamingo", *options, "--set", "width=5", "--records", tmp_path)
    assert code == 0
    ((_, record),) = records.read_all(tmp_path / "fgn-flamingo")
    assert f"order top-1 {100 * record.outcome.measures['order top-1']:.1f}%" in said
    assert record.outcome.measures.keys() >= {"order top-1", "family top-1", "levels agree"}
    assert record.fingerprint["computed"]["losses"][0]["terms"].keys() == {"family cross-entropy", "cross-entropy"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--profile", "paper"], 2, "--profile paper needs the paper's images for now: --dataset folder --data DIR"),
        (["--dataset", "folder"], 2, "--dataset folder needs --data DIR"),
        (["--data", "x"], 2, "--data DIR goes with --dataset folder"),
        (["--dataset", "folder", "--data", "/nowhere"], 2, "/nowhere: no such folder"),
        (["--backbone", "resnet51"], 2, "neither Finch nor timm knows a backbone 'resnet51'; did you mean"),
        (["--backbone", "resnet18"], 1, "no weights of resnet18 on this machine"),
        (["--weights", "/none.safetensors"], 1, "/none.safetensors: no such file"),
        (["--set", "rate=1"], 2, "the recipe has no 'rate'; it has backbone, input_size"),
        (["--set", "epoch=1"], 2, "did you mean 'epochs'?"),
        (["--set", "epochs"], 2, "--set epochs: expected NAME=VALUE"),
        (["--set", "epochs=few"], 2, "epochs: found 'few', expected int, such as 15"),
        (["--set", "lr=[1"], 2, "--set lr=[1: '[1' is no value that can be read"),
        (["--set", "optimizer_options={momentum: 0.8}"], 2, "--set optimizer_options={momentum: 0.8}: expected a single value"),
        (["--set", "epochs=true"], 2, "epochs: found True, expected int, such as 15"),
        (["--set", "lr=.inf"], 2, "lr is a finite number, not inf"),
        (["--set", "clip=-1"], 2, "clip is the largest norm of the gradient, more than 0"),
        (["--set", "patch_stride=x"], 2, "patch_stride: found 'x', expected int or null, such as None"),
        (["--set", "backbone=finch_vit"], 2, "--set backbone=finch_vit: --backbone finch_vit does this"),
        (["--set", "input_size=64"], 2, "the recipe's input size is 64, but its transforms leave 96×96 px"),
        (["--backbone", "resnet18.foo"], 2, "neither Finch nor timm knows a backbone 'resnet18.foo'"),
        (["--set", "epochs=0"], 2, "epochs is at least 1, not 0"),
        (["--set", "batch_size=4000"], 2, "64 training images don't fill one batch of 4000"),
        (["--threads", "0"], 2, "--threads 0: expected at least 1"),
        (["--device", "cuda"], 2, "--device cuda: torch finds no CUDA device here"),
        (["--variant", "nowhere.py:X"], 2, "--variant nowhere.py:X: expected FILE.py:CLASS"),
        (["--variant", "BROKEN:X"], 2, "the file can't be imported: "),
        (["--variant", "implementations/ablations/pmg.py:NoJigsaw"], 2, "'NoJigsaw' there is no subclass of Baseline"),
        (["predict", "x.png", "--checkpoint", "/none.safetensors"], 1, "/none.safetensors: no such file; expected a checkpoint"),
    ],
)
def test_what_cant_be_meant_is_said_in_a_line(finch, tmp_path, arguments, code, message):
    (tmp_path / "broken.py").write_text("class X(:\n", encoding="utf-8")
    arguments = [argument.replace("BROKEN", str(tmp_path / "broken.py")) for argument in arguments]
    found, said = finch("baseline", "--test-images", "2", "--validation-images", "2", "--threads", "1", *arguments)
    assert (found, "Traceback" in said) == (code, False)
    assert f"finch: {message}" in said or (message in said and "finch: " in said)


@pytest.mark.parametrize(
    ("paper", "change", "message"),
    [
        ("api-net", "dropout=2.0", "APINet can't be built by this recipe: dropout probability has to be between 0 and 1"),
        ("api-net", "batch_size=16", "16 images of 16 classes leave none to pair an image with"),
        ("api-net", "hidden=-1", "hidden is at least 1, not -1"),
        ("pmg", "momentum=.nan", "momentum is a finite number, not nan"),
    ],
)
def test_settings_of_a_method_that_cant_be_meant_are_said_in_a_line(finch, paper, change, message):
    code, said = finch(paper, *SHORT, "--set", change)
    assert code == 2
    assert message in said
    assert "Traceback" not in said


def test_another_input_size_goes_with_ones_own_images(finch, own_images, tmp_path):
    options = ["--dataset", "folder", "--data", own_images, "--set", "epochs=1", "--set", "batch_size=5", "--threads", "1", "--workers", "0"]
    assert finch("transfg", *options, "--set", "input_size=64", "--records", tmp_path)[0] == 0
    ((_, record),) = records.read_all(tmp_path / "transfg")
    assert record.recipe["test"][0] == {"name": "Resize", "arguments": {"size": [64, 64]}}
    assert (record.evidence[0].height, record.evidence[0].width) == (10, 10)


def test_a_corrupt_image_and_a_checkpoint_of_another_method_are_named(finch, trained, own_images, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    code, said = finch("baseline", "predict", tmp_path / "broken.png", "--checkpoint", trained)
    assert code == 1
    assert "broken.png: not an image that can be read" in said
    code, said = finch("pmg", "predict", own_images / "test" / "jay" / "0.png", "--checkpoint", trained)
    assert code == 1
    assert "a checkpoint of baseline, expected one of pmg" in said


def test_a_place_that_cant_be_written_is_named_and_nothing_half_is_left(finch, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    code, said = finch("baseline", *SHORT, "--records", tmp_path / "file")
    assert code == 1
    assert "could not be written: " in said
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"


def test_the_list_names_every_file_without_importing_it():
    shown = subprocess.run([sys.executable, "-X", "importtime", "-m", "implementations", "--list"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in shown.stdout.splitlines()[: len(implemented())]] == list(implemented())
    assert not re.search(r"\| +(torch|timm|numpy)$", shown.stderr, re.MULTILINE)


def test_help_tells_the_paper_without_importing_what_only_a_run_needs():
    shown = subprocess.run([sys.executable, "-X", "importtime", "-m", "implementations.transfg", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "He et al., AAAI 2022" in shown.stdout
    assert not re.search(r"\| +(timm|torchvision|accelerate)$", shown.stderr, re.MULTILINE)


# ----------------------------------------------------------------------------------------------------------- stopped runs


COMMAND = ("tests.implementations.small_run", "implementations.api_net", "--set", "epochs=2", "--set", "frozen=0.5", "--test-images", "1", "--threads", "1", "--workers", "2", "--save-every", "0")
"""API-Net has dropout, BatchNorm and two phases, here of an epoch of four steps each; the images come from two workers."""


def weights(cache: Path) -> dict:
    (path,) = (cache / "runs" / "api-net").glob("*/final.safetensors")
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, drawn) -> dict:
    home = drawn(tmp_path_factory.mktemp("whole"))
    code, said = forked.run(ROOT, *COMMAND, variables={"FINCH_CACHE": str(home)})
    assert code == 0, said
    return weights(home)


def test_a_run_killed_again_and_again_in_mid_epoch_ends_with_the_same_bytes(uninterrupted, tmp_path, drawn):
    import torch

    variables = {"FINCH_CACHE": str(drawn(tmp_path))}
    for step in (random.randrange(1, 4), random.randrange(5, 7)):
        code, said = forked.run(ROOT, *COMMAND, "--resume", variables=variables | {"STOPPED": f"SIGKILL {step}"})
        assert code == -9, said
    code, said = forked.run(ROOT, *COMMAND, "--resume", variables=variables)
    assert code == 0, said
    assert re.search(r"resumed at step [4-8] of 8", said), said
    found = weights(tmp_path)
    assert found.keys() == uninterrupted.keys()
    assert [name for name in found if not torch.equal(found[name], uninterrupted[name])] == []


def test_ctrl_c_keeps_the_state_and_says_how_to_go_on(tmp_path, drawn):
    code, said = forked.run(ROOT, *COMMAND, "--save-every", "1000", variables={"FINCH_CACHE": str(drawn(tmp_path)), "STOPPED": "SIGINT 2"})
    assert code == 130, said
    after = int(re.search(r"finch: stopped after step (\d+) of 8; its state is kept, --resume goes on from there", said)[1])
    (path,) = (tmp_path / "runs" / "api-net").glob("*/state.safetensors")
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["finch"])["state"]["step"] == after >= 2
    assert "Traceback" not in said
