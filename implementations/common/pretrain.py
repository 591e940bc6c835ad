"""Makes the weights that Finch ships: trains a tiny backbone on birds of species that no demo has.

    .venv/bin/python -m implementations.common.pretrain finch_vit

The seed of these species is another than the demo's, so that each is of another family. A network learns to name the species; a
vision transformer, which with so few images would only learn the families, learns beside it which patches the telling part covers
and its form and colour. The weights are frozen with the drawing's VERSION: made anew, every record is of older ones.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import platform
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from safetensors.torch import save
from torch import Tensor, nn

from implementations.common import backbones, finches
from implementations.common.cnn import CNN
from implementations.common.files import write_atomically
from implementations.common.machine import cores
from implementations.common.parts import FORMS, PARTS
from implementations.common.progress import Progress
from implementations.common.randomness import seed_torch
from implementations.common.vit import ViT
from implementations.common.weights import SHIPPED, Source, sha256

SPECIES_SEED = 1000
FORMS_OF_ALL = len(PARTS) * FORMS
TONES_OF_ALL = [tone for tones in finches.TONES for tone in tones]


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """How a backbone's weights are made."""

    epochs: int
    lr: float
    parts: float
    """Weight of what is learnt about the telling part; 0: nothing but the species."""
    families: int = 48
    siblings: int = 4
    images: int = 60
    batch_size: int = 64
    weight_decay: float = 0.05
    seed: int = 0


OF = {
    "finch_resnet": Pretraining(epochs=10, lr=3e-3, parts=0.0),
    "finch_vit": Pretraining(epochs=12, lr=1.5e-3, parts=1.0),
}


class Learner(nn.Module):
    """The backbone under classifiers that are thrown away."""

    def __init__(self, backbone: CNN | ViT, species: int) -> None:
        super().__init__()
        self.backbone = backbone
        width = backbone.channels[-1] if backbone.family == "cnn" else backbone.width
        self.species = nn.Linear(width, species)
        self.whole = nn.Linear(width, FORMS_OF_ALL + len(TONES_OF_ALL))
        self.places = nn.Linear(width, 1 + FORMS_OF_ALL + len(TONES_OF_ALL))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) → one vector an image (B, D), and one a place (B, N, D)."""
        out = self.backbone(images)
        if self.backbone.family == "cnn":
            places = out[-1].flatten(2).mT
            return places.mean(1), places
        return out[:, 0], self.backbone.patches(out)


@dataclass(frozen=True)
class Birds:
    """The images to learn from, and all that is known of each."""

    pixels: Tensor
    boxes: Tensor
    species: Tensor
    form: Tensor
    tone: Tensor


def birds(how: Pretraining, split: str, count: int) -> Birds:
    """All species of the pretraining, `count` images of each."""
    spec = finches.Spec(seed=SPECIES_SEED, split=split, families=how.families, siblings=how.siblings, count=count)
    drawn = finches.images(spec)
    kinds = [kind for number in range(how.families) for kind in finches.family(SPECIES_SEED, number, how.siblings)]
    forms = torch.tensor([list(PARTS).index(kind.part) * FORMS + kind.form for kind in kinds])
    tones = torch.tensor([TONES_OF_ALL.index(kind.tone) for kind in kinds])
    species = torch.arange(len(kinds)).repeat_interleave(count)
    boxes = torch.from_numpy(drawn.boxes).float()
    return Birds(torch.from_numpy(drawn.pixels).permute(0, 3, 1, 2), boxes, species, forms[species], tones[species])


def normalise(pixels: Tensor) -> Tensor:
    """uint8 → −1 to 1."""
    return pixels.float() / 127.5 - 1


def augment(pixels: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """A random flip of each image, and one random shift by up to 8 px of all, with their boxes."""
    side = pixels.shape[-1]
    flip = torch.rand(len(pixels)) < 0.5
    images = torch.where(flip[:, None, None, None], pixels.flip(3), pixels)
    left, top, right, bottom = boxes.unbind(1)
    boxes = torch.where(flip[:, None], torch.stack([side - right, top, side - left, bottom], 1), boxes)
    down, across = torch.randint(0, 17, (2,)).tolist()
    padded = F.pad(normalise(images), (8, 8, 8, 8), mode="reflect")
    shift = torch.tensor([8 - across, 8 - down, 8 - across, 8 - down])
    return padded[:, :, down : down + side, across : across + side], boxes + shift


def covered(boxes: Tensor, grid: int, side: int) -> Tensor:
    """(B, 4) → (B, grid²): the places of which the box covers 30% or, if it's that small, the most that it covers of any."""
    edges = torch.arange(grid) * (side / grid)
    step = side / grid

    def overlap(low: Tensor, high: Tensor) -> Tensor:
        return (torch.minimum(high[:, None], edges + step) - torch.maximum(low[:, None], edges)).clamp_min(0) / step

    across, down = overlap(boxes[:, 0], boxes[:, 2]), overlap(boxes[:, 1], boxes[:, 3])
    share = (down[:, :, None] * across[:, None]).flatten(1)
    return (share >= 0.3) | (share >= share.amax(1, keepdim=True).clamp_min(0.01))


def losses(learner: Learner, images: Tensor, boxes: Tensor, known: Birds, weight: float) -> dict[str, Tensor]:
    """The species; and, weighted, form and tone of the part from the whole image, and from the places that it covers."""
    whole, places = learner(images)
    terms = {"species": F.cross_entropy(learner.species(whole), known.species)}
    if not weight:
        return terms
    forms, tones = learner.whole(whole).split([FORMS_OF_ALL, len(TONES_OF_ALL)], dim=1)
    terms["part"] = weight / 2 * (F.cross_entropy(forms, known.form) + F.cross_entropy(tones, known.tone))
    inside = covered(boxes, math.isqrt(places.shape[1]), images.shape[-1])
    forms, tones = learner.places(places).split([1 + FORMS_OF_ALL, len(TONES_OF_ALL)], dim=2)
    target = torch.where(inside, known.form[:, None] + 1, 0)
    balance = torch.ones(1 + FORMS_OF_ALL)
    balance[0] = 0.05  # most places are background
    there = F.cross_entropy(forms.flatten(0, 1), target.flatten(), weight=balance)
    colour = F.cross_entropy(tones[inside], known.tone[:, None].expand_as(inside)[inside])
    return terms | {"places": weight * (there + colour)}


def train(name: str, how: Pretraining, console: Console) -> tuple[Learner, dict[str, float]]:
    """Trains from random weights; returns the last epoch's losses too."""
    known = birds(how, "train", how.images)
    seed_torch(how.seed, "pretraining")
    wanted = backbones.Wanted(name=name, families=("cnn", "vit"), input_size=96)
    learner = Learner(backbones.create(wanted, Source(random=True))[0], how.families * how.siblings)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=how.lr, weight_decay=how.weight_decay)
    per_epoch = len(known.species) // how.batch_size
    total, progress, terms = per_epoch * how.epochs, Progress(console=console, title=name), {}
    with progress.training(total, 0):
        for step in range(total):
            if step % per_epoch == 0:
                order = torch.randperm(len(known.species))
            chosen = order[step % per_epoch * how.batch_size :][: how.batch_size]
            some = Birds(*(getattr(known, field)[chosen] for field in Birds.__dataclass_fields__))
            rate = min(1, (step + 1) / (0.1 * total)) * (1 + math.cos(math.pi * step / total)) / 2
            optimizer.param_groups[0]["lr"] = how.lr * rate
            terms = losses(learner, *augment(some.pixels, some.boxes), some, how.parts)
            optimizer.zero_grad()
            sum(terms.values()).backward()
            torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
            optimizer.step()
            progress.step({key: term.detach() for key, term in terms.items()})
            if (step + 1) % per_epoch == 0:
                means = progress.read(step + 1, epoch=step // per_epoch, rates={})
    return learner, means


@torch.no_grad()
def held_out(learner: Learner, how: Pretraining) -> float:
    """Top-1 on 10 other images of each species."""
    known = birds(how, "validation", 10)
    learner.eval()
    guesses = [learner.species(learner(normalise(some))[0]).argmax(1) for some in known.pixels.split(200)]
    return (torch.cat(guesses) == known.species).float().mean().item()


def main() -> int:
    """Makes one backbone's weights and their record."""
    parser = argparse.ArgumentParser(
        prog="python -m implementations.common.pretrain", description="Makes the weights of a tiny backbone."
    )
    parser.add_argument("name", choices=sorted(OF))
    parser.add_argument("--threads", type=int, default=cores(), help="the last bits depend on it (default: %(default)s)")
    parser.add_argument("--into", type=Path, default=SHIPPED, metavar="DIR", help="where to write NAME.safetensors and NAME.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    how, began = OF[options.name], time.monotonic()
    learner, means = train(options.name, how, Console(stderr=True, soft_wrap=True))
    tensors = {name: tensor.contiguous() for name, tensor in learner.backbone.model.state_dict().items()}
    path = options.into / f"{options.name}.safetensors"
    write_atomically(path, lambda file: file.write(save(tensors)))
    record = {
        "sha256": sha256(path),
        "command": f"python -m implementations.common.pretrain {options.name} --threads {options.threads}",
        "backbone": {"timm": backbones.OWN[options.name][0], **backbones.OWN[options.name][1]},
        "parameters": sum(parameter.numel() for parameter in learner.backbone.parameters()),
        "drawing": {"version": finches.VERSION, "seed": SPECIES_SEED},
        "pretraining": asdict(how),
        "last_epoch": {name: round(value, 4) for name, value in means.items()},
        "held_out_top1": round(held_out(learner, how), 4),
        "seconds": round(time.monotonic() - began),
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "timm", "numpy", "pillow")}
        | {"python": platform.python_version()},
        "licence": "MIT",
    }
    write_atomically(path.with_suffix(".json"), lambda file: file.write(json.dumps(record, indent=1).encode() + b"\n"))
    print(json.dumps(record, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
