"""Centres that are buffers: two processes end with those of one, and a run that was killed in mid-epoch ends with the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from implementations.cal import CAL
from implementations.wsban import WSBAN
from tests.implementations.centres import EPOCHS, PER_EPOCH, STILL, state_of, trainer
from tests.implementations.launch import launch


@pytest.fixture(scope="module")
def by_two(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("centres")
    launch("tests.implementations.centres", out, {"CENTRES_OUT": str(out)})
    return out


@pytest.mark.parametrize("case", STILL)
def test_two_processes_end_with_the_centres_and_weights_of_one(by_two, case):
    first, second = (torch.load(by_two / f"{case}-{rank}.pt", weights_only=True) for rank in (0, 1))
    one = state_of(case)
    assert torch.equal(first["centres"], second["centres"])
    assert (one["centres"].norm(dim=1) > 0.1).all()
    assert max((one[name].double() - first[name].double()).abs().max().item() for name in one) <= 1e-10


@pytest.mark.parametrize("case", STILL)
def test_two_micro_batches_end_with_the_centres_and_weights_of_one_batch(case):
    whole, halves = state_of(case), state_of(case, micro_batches=2)
    assert max((whole[name].double() - halves[name].double()).abs().max().item() for name in whole) <= 1e-10


class Killed(Exception):
    pass


@pytest.mark.parametrize("kind", [CAL, WSBAN])
def test_a_run_killed_in_mid_epoch_resumes_to_the_same_bits(tmp_path, kind):
    whole = trainer(kind)
    assert (whole.per_epoch, whole.total) == (PER_EPOCH, EPOCHS * PER_EPOCH)
    whole.fit()
    killed = trainer(kind, tmp_path / "state.safetensors")
    step = killed.step

    def dies(images, labels):
        if killed.state.step == PER_EPOCH + 1:
            raise Killed
        step(images, labels)

    killed.step = dies
    with pytest.raises(Killed):
        killed.fit()
    resumed = trainer(kind, tmp_path / "state.safetensors")
    assert resumed.resume()
    assert resumed.method.centres.any()
    resumed.fit()
    ended = whole.method.state_dict()
    assert all(torch.equal(ended[name], tensor) for name, tensor in resumed.method.state_dict().items())
