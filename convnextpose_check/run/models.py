"""The models of a variant: reference model, counted model and evaluated model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.evaluation.cache import compute_cache_key
from convnextpose_check.evaluation.devices import get_device_model
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.network import Network
from convnextpose_check.network.keymap import StateDict
from convnextpose_check.network.layout import build_network
from convnextpose_check.network.users import (
    UserNetwork,
    build_module,
    has_published_layout,
    hash_onnx_model,
    is_factory,
    load_onnx_network,
    load_weights,
)
from convnextpose_check.variants import Variant

if TYPE_CHECKING:
    import torch
    from torch.nn import Module

    from convnextpose_check.network.optimized import SoftArgmaxBackend
    from convnextpose_check.network.reference import ConvNeXtPose


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
    def state(self) -> StateDict:
        """The checkpoint's state dict, its keys mapped to the reference model's names."""
        return self.checkpoint.state

    @cached_property
    def reference(self) -> ConvNeXtPose:
        """The architecture of the paper, with the checkpoint's weights loaded strictly."""
        return build_network(self.variant.architecture, self.state, self.devices[0])

    @cached_property
    def counted(self) -> Module:
        """The model for counting parameters and multiply-adds, on the first device."""
        if not is_factory(self.specification):
            return self.reference
        module = build_module(self.specification, self.variant.name, self.module_dir)
        module = module.to(self.devices[0]).eval()
        if has_published_layout(module, self.variant.architecture):
            load_weights(module, self.state)
        return module

    @cached_property
    def evaluated(self) -> Network:
        """The model that predicts: the optimized model or that of ``--network``."""
        if is_factory(self.specification):
            return UserNetwork(self.counted, self.variant.architecture, self.specification)
        return self._on_device(self.devices[0])

    @property
    def replicas(self) -> tuple[Network, ...]:
        """The evaluated model on each of the other devices."""
        return tuple(self._on_device(device) for device in self.devices[1:])

    @property
    def soft_argmax(self) -> SoftArgmaxBackend | None:
        """The evaluated model's soft-argmax implementation, None with ``--network``."""
        from convnextpose_check.network.optimized import OptimizedConvNeXtPose

        model = self.evaluated
        return model.soft_argmax_backend if isinstance(model, OptimizedConvNeXtPose) else None

    def cache_key(self, dataset: Dataset, *, flip: bool) -> str | None:
        """The cache key, equal only for the same checkpoint, data, model and settings.

        None for a module of ``--network``, whose code may have changed.
        """
        specification = self.specification
        if is_factory(specification):
            return None
        settings = {
            "flip": flip,
            "device": get_device_model(self.devices[0]),
            "network": msgspec.to_builtins(self.variant.architecture),
            "exported": specification and hash_onnx_model(specification, self.variant.name),
            "soft_argmax": None if specification else self.soft_argmax,
        }
        return compute_cache_key(self.checkpoint.sha256, dataset, settings)

    def _on_device(self, device: torch.device) -> Network:
        from convnextpose_check.network.optimized import OptimizedConvNeXtPose

        if self.specification is not None:
            name = self.variant.name
            return load_onnx_network(self.specification, name, self.variant.architecture, device)
        return OptimizedConvNeXtPose(self.reference, device)
