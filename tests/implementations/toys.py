"""Toy methods that use every hook the first papers don't: what later papers will ask of the harness, in a few lines each."""

from __future__ import annotations

import copy
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import nn

from implementations.common.data import Data, Split
from implementations.common.errors import Fault
from implementations.common.interrupt import Interrupted
from implementations.common.method import Classes, Method, gather
from implementations.common.recipes import Recipe, op
from implementations.common.schedules import Cosine
from implementations.common.train import Settings, Trainer

CLASSES = Classes(tuple("abcd"), {"order": (0, 0, 1, 1)})
EPOCHS, PER_EPOCH = 4, 4


@dataclass(frozen=True, kw_only=True)
class ToyRecipe(Recipe):
    dropout: float = 0.3


RECIPE = ToyRecipe(
    backbone="toy",
    input_size=16,
    epochs=EPOCHS,
    batch_size=8,
    lr=0.05,
    optimizer="AdamW",
    optimizer_options={},
    weight_decay=0.01,
    schedule=Cosine(warmup=3),
    clip=1.0,
    train=(op("RandomHorizontalFlip"), op("Normalize", mean=[0.5] * 3, std=[0.5] * 3)),
    test=(op("Normalize", mean=[0.5] * 3, std=[0.5] * 3),),
)


class Toy(Method):
    """Sixteen numbers an image, linearly classified; in float64, so that sums in another order agree."""

    paper, demo, recipe = "toy", {"cnn": {}}, RECIPE

    def __init__(self, classes, backbone, recipe):
        super().__init__(classes, backbone, recipe)
        self.classifier = nn.Linear(16, len(classes))

    def features(self, images):
        return self.backbone(images.to(self.classifier.weight.dtype))

    def forward(self, images):
        return self.classifier(self.features(images))

    def losses(self, images, labels):
        return {"cross-entropy": F.cross_entropy(self(images), labels)}

    def evidence(self, images):
        return images.abs().mean(1)


class SoftTree(Toy):
    """Leaves that no optimiser sees, updated after each step from all processes; frozen first; pruned and projected at the end."""

    def __init__(self, classes, backbone, recipe):
        super().__init__(classes, backbone, recipe)
        self.prototypes = nn.Parameter(torch.randn(3, 16))
        self.register_buffer("leaves", torch.zeros(4, len(classes)))
        self.register_buffer("at_start", torch.zeros(4, len(classes)))
        self.register_buffer("kept_leaves", torch.ones(4, dtype=torch.bool))
        self.seen = []

    def reach(self, images):
        """The probability of each of four leaves (B, 4)."""
        go = (self.features(images) @ self.prototypes.T).sigmoid()
        left, right = go[:, :1], 1 - go[:, :1]
        return torch.cat([left * go[:, 1:2], left * (1 - go[:, 1:2]), right * go[:, 2:], right * (1 - go[:, 2:])], dim=1)

    def forward(self, images):
        reach = self.reach(images) * self.kept_leaves
        return (reach @ self.leaves.softmax(1) / reach.sum(1, keepdim=True).clamp_min(1e-9)).clamp_min(1e-9).log()

    def losses(self, images, labels):
        reach = self.reach(images)
        if self.training:
            self.seen.append((reach.detach(), labels))
        return {"mixture": F.nll_loss((reach @ self.leaves.softmax(1)).clamp_min(1e-9).log(), labels)}

    def parameter_groups(self):
        return [
            {"name": "backbone", "params": list(self.backbone.parameters()), "lr": 0.01},
            {"name": "prototypes", "params": [self.prototypes], "lr": 0.05},
            {"name": "classifier", "params": list(self.classifier.parameters()), "lr": 0.02},
        ]

    def phase(self, epoch, epochs):
        self.backbone.requires_grad_(epoch >= epochs // 2)
        return "all" if epoch >= epochs // 2 else "frozen"

    def prepare(self, epoch, train):
        self.at_start.copy_(self.leaves)
        if epoch == self.recipe.epochs:
            with torch.no_grad():
                self.eval()
                self.kept_leaves.copy_(self.leaves.amax(1) > self.leaves.amax(1).min())
                seen = torch.cat([self.features(images) for images, _ in train])
                self.prototypes.copy_(seen[(self.prototypes @ seen.T).argmax(1)])

    def after_step(self):
        reach, labels = (torch.cat(part) for part in zip(*self.seen, strict=True))
        self.seen.clear()
        reach, labels = gather(reach), gather(labels)
        evidence = reach.T @ F.one_hot(labels, self.leaves.shape[1]).to(reach.dtype)  # index_add_ adds in any order on a GPU
        self.leaves.copy_((self.leaves + evidence - self.at_start / PER_EPOCH).clamp_min(0))

    def measure(self, test):
        return {"leaves kept": float(self.kept_leaves.double().mean())}


class Alternating(Toy):
    """Two copies of the backbone and two losses by turns; in one of the phases BatchNorm stands still."""

    def __init__(self, classes, backbone, recipe):
        super().__init__(classes, backbone, recipe)
        self.other = copy.deepcopy(backbone)
        self.norm = nn.BatchNorm1d(16)
        self.ranking = False

    def phase(self, epoch, epochs):
        self.ranking = epoch % 2 == 1
        self.classifier.requires_grad_(not self.ranking)
        return "rank" if self.ranking else "classify"

    def train(self, mode=True):
        super().train(mode)
        self.norm.train(mode and not self.ranking)
        return self

    def forward(self, images):
        images = images.to(self.classifier.weight.dtype)
        return self.classifier(self.norm(self.backbone(images)) + self.other(images.flip(3)))

    def losses(self, images, labels):
        logits = self(images)
        if not self.ranking:
            return {"cross-entropy": F.cross_entropy(logits, labels)}
        true = logits.gather(1, labels[:, None])
        return {"rank": (logits - true + 0.1).relu().mean()}


class Centres(Toy):
    """A centre a class in a buffer, set after each step to its last image's features, in the order of the whole batch."""

    together = staticmethod(gather)

    def __init__(self, classes, backbone, recipe):
        super().__init__(classes, backbone, recipe)
        self.register_buffer("centres", torch.zeros(len(classes), 16))
        self.seen = []

    def losses(self, images, labels):
        features = self.features(images)
        if self.training:
            self.seen.append((features.detach(), labels))
        return {
            "cross-entropy": F.cross_entropy(self.classifier(features), labels),
            "centre": 0.1 * (features - self.centres[labels]).square().mean(),
        }

    def after_step(self):
        features, labels = (self.together(torch.cat(part)) for part in zip(*self.seen, strict=True))
        self.seen.clear()
        last = torch.full((len(self.classes),), -1, device=labels.device)
        last = last.scatter_reduce(0, labels, torch.arange(len(labels), device=labels.device), "amax")  # a class may come twice
        self.centres[last >= 0] = features[last[last >= 0]]


class CentresOfAShare(Centres):
    """The wrong way: each process's centres are those of its own images."""

    together = staticmethod(torch.Tensor.detach)


class PreparedApart(Centres):
    """The wrong way: before the test each process prepares something else."""

    def prepare(self, epoch, train):
        if epoch == self.recipe.epochs:
            self.centres += torch.distributed.get_rank()


class Spectral(Toy):
    """Buffers that each forward in training changes, but by the weights alone: spectral normalisation's vectors."""

    def __init__(self, classes, backbone, recipe):
        super().__init__(classes, backbone, recipe)
        nn.utils.parametrizations.spectral_norm(self.classifier)


class Groups(Toy):
    """A loss over whole groups of a class, side by side in the batch."""

    over_batch = True
    least_per_class = 2

    def batches(self, labels, size, rng):
        queues = {label: [i for i, found in enumerate(labels) if found == label] for label in sorted(set(labels))}
        for queue in queues.values():
            rng.shuffle(queue)
        return [[queue[2 * batch + place] for queue in queues.values() for place in range(2)] for batch in range(PER_EPOCH)]

    def losses(self, images, labels):
        features = self.features(images).unflatten(0, (-1, 2))
        return super().losses(images, labels) | {"pair": (features[:, 0] - features[:, 1]).square().mean()}


class Coarse(Toy):
    """A classifier for each level of the classes."""

    def __init__(self, classes, backbone, recipe):
        super().__init__(classes, backbone, recipe)
        if not classes.coarse:
            raise ValueError("the classes have no coarser level")
        self.levels = nn.ModuleDict({level: nn.Linear(16, max(parents) + 1) for level, parents in classes.coarse.items()})
        for level, parents in classes.coarse.items():
            self.register_buffer(f"parents_{level}", torch.tensor(parents))

    def losses(self, images, labels):
        features = self.features(images)
        terms = {"cross-entropy": F.cross_entropy(self.classifier(features), labels)}
        for level, head in self.levels.items():
            terms[level] = F.cross_entropy(head(features), getattr(self, f"parents_{level}")[labels])
        return terms

    def measure(self, test):
        right = [(self.levels["order"](self.features(images)).argmax(1) == self.parents_order[labels]) for images, labels in test]
        return {"order top-1": torch.cat(right).double().mean().item()}


TOYS = {toy.__name__: toy for toy in (SoftTree, Alternating, Centres, Spectral, Groups, Coarse)}


def backbone(dropout: float) -> nn.Module:
    net = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Dropout(dropout), nn.Linear(48, 16), nn.Tanh())
    net.name, net.family = "toy", "cnn"
    return net


def build(toy: type[Method], *, dropout: float = 0.0, **changes) -> Method:
    import dataclasses

    torch.manual_seed(0)
    recipe = dataclasses.replace(RECIPE, dropout=dropout, **changes)
    return toy(CLASSES, backbone(dropout), recipe).double()


def data() -> Data:
    """Random images of 4 classes, brighter from class to class; 32 to train on, 16 to validate, 21 to test."""

    def split(count, seed):
        labels = [index % 4 for index in range(count)]
        noise = torch.randint(0, 120, (count, 3, 16, 16), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
        pixels = noise + torch.tensor(labels, dtype=torch.uint8)[:, None, None, None] * 40
        return Split(labels, pixels.__getitem__)

    return Data("toy", CLASSES, split(32, 1), split(16, 2), split(21, 3), "0" * 32)


def trainer(method: Method, *, checkpoint: Path | None = None, workers: int = 0, save_every: float = 1e9) -> Trainer:
    accelerator = Accelerator(cpu=True)
    return Trainer(method, data(), accelerator, Settings(seed=0, workers=workers, checkpoint=checkpoint, save_every=save_every))


def best_on_validation(out: Path) -> Trainer:
    """A run without buffers whose first process is slow to write its best weights: the other has to wait for them."""
    run = trainer(build(Toy, selection="best on validation", epochs=1), checkpoint=out / "state.safetensors")
    write = run._save
    run._save = lambda path: (time.sleep(1), write(path))
    run.fit()
    return run


def stopped(out: Path) -> int:
    """The step after which a run ends that Ctrl-C reaches in one process alone."""
    run = trainer(build(Toy, epochs=8), checkpoint=out / "stopped.safetensors")
    step = run.step

    def interrupt(images, labels):
        if run.state.step == 12 and run.accelerator.process_index == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return step(images, labels)

    run.step = interrupt
    try:
        run.fit()
    except Interrupted:
        return run.state.step
    return -1


def refused(toy: type[Method]) -> str:
    """What is said of a method whose buffers part, and after which step."""
    run = trainer(build(toy))
    try:
        run.fit()
    except Fault as fault:
        return f"{run.state.step}: {fault}"
    return "nothing"


def main() -> None:
    """Under torchrun: trains every toy, and saves each process's weights."""
    torch.set_num_threads(1)
    out = Path(os.environ["TOYS_OUT"])
    best = best_on_validation(out)
    torch.save(best.method.state_dict(), out / f"best-{best.accelerator.process_index}.pt")
    (out / f"stopped-{best.accelerator.process_index}").write_text(str(stopped(out)), encoding="utf-8")
    for toy in (CentresOfAShare, PreparedApart):
        (out / f"{toy.__name__}-{best.accelerator.process_index}").write_text(refused(toy), encoding="utf-8")
    for name, toy in TOYS.items():
        one = trainer(build(toy))
        one.fit()
        torch.save(one.method.state_dict(), out / f"{name}-{one.accelerator.process_index}.pt")
    one.accelerator.end_training()  # gloo's threads, left running, abort some exits


if __name__ == "__main__":
    main()
