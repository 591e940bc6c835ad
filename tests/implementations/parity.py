"""Real backbones trained by one process or two: a vision transformer, and a CNN whose BatchNorm is frozen."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from accelerate import Accelerator

from implementations.baseline import Baseline
from implementations.common import evaluate
from implementations.common.data import Data, Split
from implementations.common.recipes import op
from implementations.common.schedules import Schedule
from implementations.common.train import Settings, Trainer
from tests.implementations.tiny import FOUR, AtRest, build

STEPS = 15
SGD = {"optimizer": "SGD", "optimizer_options": {"momentum": 0.9}, "lr": 1e-2, "backbone_lr": 1e-2, "weight_decay": 0.0}
ADAMW = {"optimizer": "AdamW", "optimizer_options": {}, "lr": 1e-3, "backbone_lr": 1e-3, "weight_decay": 0.05}
CASES = {
    "finch_vit-sgd": ("finch_vit", SGD),
    "finch_vit-adamw": ("finch_vit", ADAMW),
    "finch_resnet-sgd": ("finch_resnet", SGD | {"lr": 1e-3, "backbone_lr": 1e-3}),  # at 1e-2 it diverges with BatchNorm at rest
    "finch_resnet-adamw": ("finch_resnet", ADAMW),
}


class Frozen(AtRest, Baseline):
    """The baseline, its BatchNorm as pretrained, in any precision."""

    def pooled(self, images):
        return super().pooled(images.to(self.classifier.weight.dtype))


def data() -> Data:
    def split(count, seed):
        pixels = torch.randint(0, 256, (count, 3, 32, 32), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
        return Split([index % 4 for index in range(count)], pixels.__getitem__)

    return Data("parity", FOUR, split(16 * 5, 0), split(4, 1), split(21, 2), "0" * 32)


def run(case: str) -> tuple[dict, list[int]]:
    """The weights after 15 steps of 16 images, and what is then predicted of 21."""
    backbone, how = CASES[case]
    plain = (op("Normalize", mean=[0.5] * 3, std=[0.5] * 3),)
    changes = how | {"epochs": 3, "batch_size": 16, "schedule": Schedule(), "clip": None, "train": plain, "test": plain}
    method = build(Frozen, side=32, backbone=backbone, pretrained=True, **changes).double()
    trainer = Trainer(method, data(), Accelerator(cpu=True), Settings(seed=0))
    assert trainer.total == STEPS
    trainer.fit()
    return method.state_dict(), evaluate.predict(method, trainer.data.test, trainer.accelerator)


def main() -> None:
    torch.set_num_threads(1)
    out = Path(os.environ["PARITY_OUT"])
    for case in CASES:
        weights, predictions = run(case)
        if os.environ["RANK"] == "0":
            torch.save({"weights": weights, "predictions": torch.tensor(predictions)}, out / f"{case}.pt")
    Accelerator(cpu=True).end_training()  # gloo's threads, left running, abort some exits


if __name__ == "__main__":
    main()
