"""A convolutional network as the maps of its stages."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class CNN(nn.Module):
    """The feature maps of a timm network's stages.

    `channels`, `strides` and `sizes` tell each map's channels, stride and (H, W) at the input size, finest first: -1 is the last
    map (what the field calls F1 or conv5), -2 the one before it. Maps aren't rectified unless the network does it.
    """

    family = "cnn"

    def __init__(
        self, build: Callable[[int | None], nn.Module], name: str, input_size: int, *, output_stride: int | None = None
    ) -> None:
        super().__init__()
        self.name, self.input_size, self._build = name, input_size, build
        # Channels last in memory: faster on CPUs.
        self.model = build(output_stride).to(memory_format=torch.channels_last)
        self.channels = tuple(self.model.feature_info.channels())
        self.strides = tuple(self.model.feature_info.reduction())
        self.sizes = self._sizes()

    def _sizes(self) -> tuple[tuple[int, int], ...]:
        training = self.model.training
        with torch.no_grad():
            maps = self.model.eval()(torch.zeros(1, 3, self.input_size, self.input_size))
        self.model.train(training)
        if any(entry.ndim != 4 or entry.shape[1] != channels for entry, channels in zip(maps, self.channels, strict=True)):
            raise ValueError("its maps aren't (B, C, H, W)")
        return tuple(tuple(entry.shape[-2:]) for entry in maps)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) → the stages' maps (B, C, h, w), finest first."""
        return self.model(images)

    def drop_last_stages(self, count: int) -> None:
        """Takes off the last `count` stages. Raises ValueError where there are no more, or they can't be told apart."""
        if not count:
            return
        if count >= len(self.channels):
            raise ValueError(f"{self.name} has {len(self.channels)} stages, and {count} of them can't be taken off")
        stages = list(getattr(self.model, "return_layers", ()))  # timm's names of the parts whose output is a map
        if not stages:
            raise ValueError(f"the last stages of {self.name} can't be taken off: timm doesn't run it part by part")
        parts = list(self.model)
        for part in parts[parts.index(stages[-count - 1]) + 1 :]:
            del self.model[part]
        for stage in stages[-count:]:
            del self.model.return_layers[stage]
        self.channels, self.strides, self.sizes = (of_stages[:-count] for of_stages in (self.channels, self.strides, self.sizes))

    def clone(self, output_stride: int | None = None) -> CNN:
        """A second network with the same weights, at another stride of its last map."""
        other = CNN(self._build, self.name, self.input_size, output_stride=output_stride)
        other.drop_last_stages(len(other.channels) - len(self.channels))
        other.model.load_state_dict(self.model.state_dict())
        return other
