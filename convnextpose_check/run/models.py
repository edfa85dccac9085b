"""The models of a variant: reference model, counted model and evaluated model.

Exceptions of a model of ``--network`` are converted to ``NetworkFailedError``.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec
import torch
from torch.nn import Module

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.evaluation.cache import compute_cache_key
from convnextpose_check.evaluation.devices import get_device_model
from convnextpose_check.evaluation.predict import wrap_network_errors
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.network import Network
from convnextpose_check.network.exports import load_exported_network
from convnextpose_check.network.layout import (
    build_network,
    count_multiply_adds,
    count_parameters,
    count_state_elements,
)
from convnextpose_check.network.optimized import OptimizedConvNeXtPose
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.network.users import (
    UserNetwork,
    build_module,
    has_published_layout,
    is_factory,
    load_weights,
)
from convnextpose_check.variants import Variant


class ModelSize(NamedTuple):
    """Trainable parameters, elements of the state dict, and multiply-adds for one image."""

    parameters: int
    state_elements: int
    multiply_adds: int


@dataclass(frozen=True, eq=False)
class VariantModels:
    """The models of a variant on the run's devices, each built on first use.

    ``specification`` is the value of ``--network``; its module is imported from ``module_dir``.
    """

    variant: Variant
    checkpoint: Checkpoint
    devices: tuple[torch.device, ...]
    specification: str | None = None
    module_dir: Path | None = None

    @cached_property
    def reference(self) -> ConvNeXtPose:
        """The architecture of the paper, with the checkpoint's weights loaded strictly."""
        return build_network(self.variant.architecture, self.checkpoint.state, self.devices[0])

    @cached_property
    def counted(self) -> Module:
        """The model for counting parameters and multiply-adds, on the first device."""
        if not is_factory(self.specification):
            return self.reference
        with wrap_network_errors("building the network"):
            module = build_module(self.specification, self.variant.name, self.module_dir)
            module = module.to(self.devices[0]).eval()
            if has_published_layout(module, self.variant.architecture):
                load_weights(module, self.checkpoint.state)
        return module

    @cached_property
    def size(self) -> ModelSize:
        """Size and cost of the counted model."""
        module = self.counted
        with wrap_network_errors("counting the network's multiply-adds"):
            return ModelSize(
                count_parameters(module),
                count_state_elements(module.state_dict()),
                count_multiply_adds(module),
            )

    @cached_property
    def evaluated(self) -> Network:
        """The model that predicts: the optimized model or that of ``--network``."""
        if is_factory(self.specification):
            return UserNetwork(self.counted, self.variant.architecture, self.specification)
        with wrap_network_errors("building the network"):
            return self._on_device(self.devices[0])

    @property
    def replicas(self) -> tuple[Network, ...]:
        """The evaluated model on each of the other devices."""
        return tuple(self._on_device(device) for device in self.devices[1:])

    def cache_key(self, dataset: Dataset, *, flip: bool) -> str | None:
        """The cache key, equal only for the same checkpoint, data, model and settings.

        None for a module of ``--network``, whose code may have changed.
        """
        if is_factory(self.specification):
            return None
        settings = {
            "flip": flip,
            "device": get_device_model(self.devices[0]),
            "network": msgspec.to_builtins(self.variant.architecture),
            "exported": getattr(self.evaluated, "sha256", None),
        }
        return compute_cache_key(self.checkpoint.sha256, dataset, settings)

    def _on_device(self, device: torch.device) -> Network:
        if self.specification is not None:
            name, architecture = self.variant.name, self.variant.architecture
            return load_exported_network(self.specification, name, architecture, device)
        return OptimizedConvNeXtPose(self.reference, device)
