"""The harness: a run that was killed goes on to the same bytes; micro-batches and processes change nothing; hooks come when they should."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path

import pytest
import torch

from implementations.common import checkpoints, evaluate, fingerprint, randomness
from implementations.common.errors import Fault, Usage
from implementations.common.progress import Progress
from implementations.common.schedules import Cosine, Exponential, Linear, MultiStep, Schedule, Stages, Steps
from implementations.common.train import Settings, Trainer
from tests.implementations.launch import launch
from tests.implementations.toys import (
    EPOCHS,
    PER_EPOCH,
    TOYS,
    Alternating,
    Centres,
    CentresOfAShare,
    Coarse,
    Groups,
    SoftTree,
    Spectral,
    Toy,
    build,
    data,
    trainer,
)


class Killed(Exception):
    pass


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def difference(one: dict, other: dict) -> float:
    assert one.keys() == other.keys()
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


# ------------------------------------------------------------------------------------------------------ kill and resume


@pytest.mark.parametrize("toy", TOYS)
@pytest.mark.parametrize("at", [PER_EPOCH - 1, PER_EPOCH, PER_EPOCH + 2, 3 * PER_EPOCH + 1])
def test_a_run_killed_in_any_phase_resumes_to_the_same_bytes(tmp_path, toy, at):
    whole = trainer(build(TOYS[toy], dropout=0.3))
    whole.fit()

    killed = trainer(build(TOYS[toy], dropout=0.3), checkpoint=tmp_path / "state.safetensors", save_every=-1)
    step = killed.step

    def dies(images, labels):
        if killed.state.step == at:
            raise Killed
        step(images, labels)

    killed.step = dies
    with pytest.raises(Killed):
        killed.fit()

    resumed = trainer(build(TOYS[toy], dropout=0.3), checkpoint=tmp_path / "state.safetensors")
    assert resumed.resume()
    assert resumed.state.step == at
    resumed.fit()
    assert same(resumed.method.state_dict(), whole.method.state_dict())


def test_dropout_and_augmentation_differ_from_step_to_step_and_from_seed_to_seed():
    method = build(Toy, dropout=0.3)
    run = trainer(method)
    seen = []
    step = run.step
    run.step = lambda images, labels: (seen.append(images.clone()), step(images, labels))
    run.fit()
    assert not torch.equal(seen[0], seen[PER_EPOCH])
    other = trainer(build(Toy, dropout=0.3))
    other.settings = dataclasses.replace(other.settings, seed=1)
    other.fit()
    assert difference(other.method.state_dict(), method.state_dict()) > 1e-3


def test_workers_change_nothing():
    runs = [trainer(build(Toy, dropout=0.3), workers=workers) for workers in (0, 2)]
    for run in runs:
        run.fit()
    assert same(*(run.method.state_dict() for run in runs))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": "b" * 64}, r'its pretrained weights is "a+", expected "b+"'),
        ({"seed": 1}, "its seed is 0, expected 1"),
    ],
)
def test_a_state_of_other_weights_or_another_seed_is_refused(tmp_path, change, message):
    path = tmp_path / "state.safetensors"
    run = trainer(build(Toy), checkpoint=path)
    run.settings = dataclasses.replace(run.settings, weights="a" * 64)
    run._save(path)
    run.settings = dataclasses.replace(run.settings, **change)
    with pytest.raises(Fault, match=message):
        run.resume()


def test_a_state_of_other_images_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    run = trainer(build(Toy), checkpoint=path)
    run._save(path)
    run.data = dataclasses.replace(run.data, fingerprint="1" * 32)
    with pytest.raises(Fault, match=r'its images is "0+", expected "1+"'):
        run.resume()


def test_a_run_stopped_after_its_last_step_trains_no_step_again(tmp_path):
    path = tmp_path / "state.safetensors"
    whole = trainer(build(SoftTree), checkpoint=path)
    whole.fit()
    again = trainer(build(SoftTree), checkpoint=path)
    assert again.resume()
    assert again.state.step == again.total
    again.step = None
    again.fit()
    assert same(again.method.state_dict(), whole.method.state_dict())


def test_a_checkpoint_of_another_run_is_refused_with_what_differs(tmp_path):
    path = tmp_path / "state.safetensors"
    run = trainer(build(Toy), checkpoint=path)
    run._save(path)
    other = trainer(build(Toy, lr=0.1), checkpoint=path)
    with pytest.raises(Fault, match=r"its recipe's lr is 0.05, expected 0.1; remove it"):
        other.resume()
    with pytest.raises(Fault, match='its method is "Toy", expected "Coarse"'):
        trainer(build(Coarse), checkpoint=path).resume()


@pytest.mark.parametrize("content", [b"", b"no tensors here", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "state.safetensors").write_bytes(content)
    with pytest.raises(Fault, match=r"state.safetensors: not a checkpoint"):
        trainer(build(Toy), checkpoint=tmp_path / "state.safetensors").resume()


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "state.safetensors"
    run = trainer(build(Toy), checkpoint=path)
    run._save(path)
    before = path.read_bytes()
    run.method.classifier.weight.data.add_(1)
    tmp_path.joinpath("full").symlink_to("/dev/full")
    with pytest.raises(Fault, match="could not be written"):
        checkpoints.save(tmp_path / "full" / "state.safetensors", run.method, run.data.classes)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full", "state.safetensors"]


# ------------------------------------------------------------------------------------ micro-batches, processes, threads


@pytest.mark.parametrize("toy", [SoftTree, Centres, Coarse])
def test_two_micro_batches_are_one_batch(toy):
    runs = [trainer(build(toy, micro_batches=parts)) for parts in (1, 2)]
    for run in runs:
        run.fit()
    assert difference(*(run.method.state_dict() for run in runs)) < 1e-12


@dataclasses.dataclass(frozen=True)
class Several(fingerprint.OneProcess):
    num_processes: int = 2


def test_classes_that_a_split_would_part_are_refused_and_the_lonely_one_is_named():
    class Three(Groups):
        def batches(self, labels, size, rng):
            return [[0, 4, 1, 5, 2, 6]]  # classes 0 0 1 1 2 2: a half ends within the second

    trainer(build(Three))
    with pytest.raises(Usage, match=r"Three compares images within a batch: the 3 that a process sees at once hold 1 of class 'b', expected at least 2"):
        Trainer(build(Three), data(), Several(), Settings())


def test_a_loss_sees_as_many_images_at_once_as_its_paper_says_on_fewer_devices():
    seen = []

    class Watched(Toy):
        over_batch = True

        def losses(self, images, labels):
            seen.append(len(images))
            return super().losses(images, labels)

    for images_per_loss, processes, expected in ((None, 1, 8), (4, 1, 4), (4, 2, 4), (16, 1, 8)):
        run = Trainer(build(Watched, images_per_loss=images_per_loss), data(), Several(num_processes=processes), Settings())
        assert run.images_per_loss == expected
    run = trainer(build(Watched, images_per_loss=4))
    run.fit()
    assert set(seen) == {4}
    assert run.updates == EPOCHS * PER_EPOCH


@pytest.mark.parametrize("accelerator", [False, True])
def test_a_key_seeds_what_torch_would_seed_with_its_number(monkeypatch, accelerator):
    monkeypatch.setattr(randomness, "_has_accelerator", lambda: accelerator)
    randomness.seed_torch("step", 3)
    ours = torch.rand(4)
    torch.manual_seed(randomness.derive("step", 3))
    assert torch.equal(ours, torch.rand(4))


def test_a_loss_over_the_batch_is_not_split_into_micro_batches():
    with pytest.raises(Usage, match="Groups's loss is over the whole batch"):
        trainer(build(Groups, micro_batches=2))


def test_a_batch_that_micro_batches_cant_share_is_refused():
    with pytest.raises(Usage, match="a batch of 8 can't be shared equally by 1 processes × 3 micro-batches"):
        trainer(build(Toy, micro_batches=3))


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory) -> Path:
    """The weights of every toy, trained by two processes."""
    out = tmp_path_factory.mktemp("two")
    launch("tests.implementations.toys", out, {"TOYS_OUT": str(out)})
    return out


@pytest.mark.parametrize("toy", TOYS)
def test_two_processes_end_with_the_same_weights(two_processes, toy):
    ours, theirs = (torch.load(two_processes / f"{toy}-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert same(ours, theirs)


def test_all_processes_take_the_best_weights_once_they_are_written(two_processes):
    ours, theirs = (torch.load(two_processes / f"best-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert same(ours, theirs)


def test_ctrl_c_in_one_process_stops_all_after_the_same_step(two_processes):
    assert [(two_processes / f"stopped-{rank}").read_text(encoding="utf-8") for rank in (0, 1)] == ["20", "20"]
    assert checkpoints.read(two_processes / "stopped.safetensors")[0]["state"]["step"] == 20


@pytest.mark.parametrize("toy", [SoftTree, Centres, Spectral, Groups, Coarse])
def test_two_processes_are_one_process_with_the_same_batch(two_processes, toy):
    alone = trainer(build(toy))
    alone.fit()
    assert difference(torch.load(two_processes / f"{toy.__name__}-0.pt", weights_only=True), alone.method.state_dict()) < 1e-12


def test_a_buffer_that_each_process_changes_by_its_own_images_stops_all_of_them_at_the_epochs_end(two_processes):
    said = [(two_processes / f"CentresOfAShare-{rank}").read_text(encoding="utf-8") for rank in (0, 1)]
    assert said[0] == said[1]
    assert said[0].startswith("4: CentresOfAShare's buffer 'centres' differs between the 2 processes after step 4, ")
    assert "Change it in after_step, from what gather (implementations/common/method.py) puts together" in said[0]


def test_what_the_processes_prepare_before_the_test_has_to_be_the_same_too(two_processes):
    for rank in (0, 1):
        assert "PreparedApart's buffer 'centres' differs between the 2 processes after step 16, " in (two_processes / f"PreparedApart-{rank}").read_text(encoding="utf-8")


def test_one_process_has_the_whole_batch_whether_it_gathers_or_not():
    runs = [trainer(build(toy)) for toy in (Centres, CentresOfAShare)]
    for run in runs:
        run.fit()
    assert same(*(run.method.state_dict() for run in runs))


@pytest.mark.parametrize("toy", TOYS)
def test_the_fingerprints_steps_agree_on_one_thread_and_two(toy):
    found = []
    before = torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(fingerprint.compute(build(TOYS[toy], dropout=0.3)))
    torch.set_num_threads(before)
    assert fingerprint.differences(*found) == []
    assert {row["phase"] for row in found[0]["computed"]["losses"]} == {build(TOYS[toy]).phase(epoch, EPOCHS) for epoch in range(EPOCHS)}


# ------------------------------------------------------------------------------------------------------------ the hooks


def test_leaves_move_with_each_step_and_are_pruned_and_projected_at_the_end():
    run = trainer(build(SoftTree))
    before = run.method.backbone[3].weight.clone()
    run.fit()
    method = run.method
    assert method.leaves.abs().sum() > 0
    assert 1 <= method.kept_leaves.sum() < 4
    with torch.no_grad():
        features = torch.cat([method.features(images) for images, _ in run.images_in_order(run.data.train)])
    assert all((prototype == features).all(1).any() for prototype in method.prototypes)
    assert not torch.equal(method.backbone[3].weight, before)
    assert method.measure(run.images_in_order(run.data.test))["leaves kept"] == method.kept_leaves.sum() / 4


def test_a_frozen_phase_leaves_the_backbone_to_the_bit():
    run = trainer(build(SoftTree))
    before = run.method.backbone[3].weight.clone()
    seen = []
    step = run.step

    def watch(images, labels):
        step(images, labels)
        seen.append(torch.equal(run.method.backbone[3].weight, before))

    run.step = watch
    run.fit()
    assert seen == [True] * 2 * PER_EPOCH + [False] * 2 * PER_EPOCH


def test_batchnorm_stands_still_in_the_phase_that_says_so():
    run = trainer(build(Alternating))
    means = []
    step = run.step

    def watch(images, labels):
        step(images, labels)
        means.append(run.method.norm.running_mean.clone())

    run.step = watch
    run.fit()
    moved = [not torch.equal(before, after) for before, after in itertools.pairwise(means)]
    assert moved == [number // PER_EPOCH % 2 == 0 for number in range(1, 4 * PER_EPOCH)]


def test_a_centre_is_the_last_image_of_its_class_in_the_batch():
    method = build(Centres)
    images = torch.randn(4, 3, 16, 16)
    method.train()
    method.losses(images, torch.tensor([2, 0, 2, 0]))
    features = method.features(images).detach()
    method.after_step()
    assert torch.equal(method.centres[[0, 2]], features[[3, 2]])
    assert (method.centres[[1, 3]] == 0).all()


def test_nothing_is_kept_for_gradients_before_an_epoch_and_at_its_end():
    modes = []

    class Watched(Toy):
        def prepare(self, epoch, train):
            modes.append(torch.is_grad_enabled())

    trainer(build(Watched)).fit()
    assert modes == [False] * (EPOCHS + 1)


def test_a_term_that_only_some_steps_have_is_averaged_over_those():
    progress = Progress(log=None)
    with progress.training(4, 0):
        for terms in ({"a": torch.tensor(2.0)}, {"a": torch.tensor(4.0), "b": torch.tensor(6.0)}):
            progress.step(terms)
        assert progress.read(2, epoch=0, rates={}) == {"a": 3.0, "b": 6.0}


def test_coarse_levels_size_the_heads_and_are_measured_under_their_own_name():
    run = trainer(build(Coarse))
    assert run.method.levels["order"].out_features == 2
    run.fit()
    assert 0 <= run.method.measure(run.images_in_order(run.data.test))["order top-1"] <= 1


def test_groups_stay_whole_in_every_batch():
    labels = data().train.labels
    for batch in trainer(build(Groups)).epoch_batches(0):
        assert [labels[index] for index in batch] == [0, 0, 1, 1, 2, 2, 3, 3]


# ------------------------------------------------------------------------------------------- what is reported, and faults


def test_the_best_on_validation_is_what_the_weights_were_then(tmp_path):
    run = trainer(build(Toy, selection="best on validation"), checkpoint=tmp_path / "state.safetensors")
    kept = {}
    end = run._end_epoch

    def watch():
        end()
        kept[run.epoch] = {name: value.clone() for name, value in run.method.state_dict().items()}

    run._end_epoch = watch
    state = run.fit()
    assert same(run.method.state_dict(), kept[state.best_epoch])
    predicted = evaluate.predict(run.method, run.data.validation, run.accelerator)
    assert evaluate.top1(predicted, run.data.validation.labels) == state.best_validation


def test_the_best_on_test_is_kept_apart_and_only_on_request():
    run = trainer(build(Toy))
    run.settings = dataclasses.replace(run.settings, track_test=True)
    state = run.fit()
    assert state.best_on_test >= evaluate.top1(evaluate.predict(run.method, run.data.test, run.accelerator), run.data.test.labels)
    assert state.best_validation == -1
    assert trainer(build(Toy)).fit().best_on_test is None


def test_a_loss_that_is_no_number_stops_the_run_and_names_it():
    with pytest.raises(Fault, match="the loss 'cross-entropy' became nan by step 10; a lower learning rate may help"):
        trainer(build(Toy, lr=1e308, clip=None)).fit()


@pytest.mark.parametrize("change", [{"lr": -1.0}, {"optimizer": "Sgd"}, {"optimizer_options": {"momentum": 0.9}}])
def test_an_optimizer_that_cant_be_had_is_refused(change):
    with pytest.raises(Usage, match=r"the recipe's optimizer .* can't be had with"):
        trainer(build(Toy, **change))


def test_a_batch_that_no_training_set_fills_is_refused():
    with pytest.raises(Usage, match="32 training images don't fill one batch of 64"):
        trainer(build(Toy, batch_size=64))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(), [1.0, 1.0, 1.0, 1.0]),
        (Schedule(warmup=4), [0.25, 0.75, 1.0, 1.0]),
        (Cosine(), [1.0, (1 + math.cos(math.pi * 2 / 20)) / 2, 0.5, (1 + math.cos(math.pi * 19 / 20)) / 2]),
        (Cosine(warmup=0.1), [0.5, 1.0, (1 + math.cos(math.pi * 8 / 18)) / 2, (1 + math.cos(math.pi * 17 / 18)) / 2]),
        (Linear(), [1.0, 0.9, 0.5, 0.05]),
        (Linear(warmup=0.1), [0.5, 1.0, 10 / 18, 1 / 18]),
        (Steps(every=2, factor=0.1), [1.0, 1.0, 0.1, 0.1]),
        (Exponential(every=2, factor=0.9), [1.0, 0.9**0.2, 0.9, 0.9**1.9]),
        (Stages(first=0.5, second=0.2), [1.0, (1 + math.cos(math.pi * 2 / 10)) / 2, 0.2, 0.2 * (1 + math.cos(math.pi * 9 / 10)) / 2]),
        (Stages(first=0.3, second=0.2, warmup=0.1), [0.5, 1.0, 0.2 * (1 + math.cos(math.pi * 5 / 15)) / 2, 0.2 * (1 + math.cos(math.pi * 14 / 15)) / 2]),
        (MultiStep(milestones=(1, 3), factor=0.1), [1.0, 1.0, 0.1, 0.01]),
    ],
)
def test_schedules_at_some_batches_of_four_epochs_of_five(schedule, expected):
    assert [schedule(step, 5, 20) for step in (0, 2, 10, 19)] == pytest.approx(expected)
