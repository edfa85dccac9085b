"""The networks of a trial, on the device with their weights, each built once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from convnextpose_check.checks.archives import check_holds_variant
from convnextpose_check.evaluation.devices import card_name, working_devices
from convnextpose_check.evaluation.failures import told_as_failure
from convnextpose_check.evaluation.kept import evaluation_key
from convnextpose_check.evaluation.one_pass import Conditions, Entry
from convnextpose_check.evaluation.precision import use_exact_float32
from convnextpose_check.network import Network
from convnextpose_check.network.layout import build_network
from convnextpose_check.network.users import (
    ForeignNetwork,
    built_module,
    exported_digest,
    exported_network,
    is_exported,
    load_weights,
    takes_weights,
)
from convnextpose_check.paths import kept_file
from convnextpose_check.trial.files import Files
from convnextpose_check.trial.once import once
from convnextpose_check.variants import Architecture

if TYPE_CHECKING:
    import torch
    from torch.nn import Module

    from convnextpose_check.network.fast import SoftArgmaxBackend
    from convnextpose_check.network.plain import ConvNeXtPose


@dataclass(frozen=True)
class Networks:
    """The plain networks, what is counted and what is judged, by variant."""

    files: Files
    default_device: str
    outcomes: dict[tuple[str, ...], Any] = field(default_factory=dict, init=False, repr=False)

    @once
    def devices(self) -> tuple[torch.device, ...]:
        """The devices that the settings name, proved to work; several only where they are alike."""
        use_exact_float32()
        return working_devices(self.files.settings.device or self.default_device)

    def device(self) -> torch.device:
        """The first device, which all but the evaluation does with."""
        return self.devices()[0]

    @once
    def plain(self, variant: str) -> ConvNeXtPose:
        """The variant's network with the checkpoint's weights, loaded strictly, on the device."""
        self._check_holds(variant)
        return build_network(self._architecture(variant), self.files.state(variant), self.device())

    @once
    def counted(self, variant: str) -> Module:
        """What parameters and multiply-adds are counted on: the network, or the user's own."""
        settings = self.files.settings
        specification = settings.network
        if specification is None or is_exported(specification):
            return self.plain(variant)
        module = built_module(specification, variant, settings.caller).to(self.device()).eval()
        if takes_weights(module, self._architecture(variant)):
            self._check_holds(variant)
            load_weights(module, self.files.state(variant))
        return module

    @once
    def judged(self, variant: str) -> Network:
        """What is evaluated: the network rearranged for speed, or the one of ``--network``."""
        from convnextpose_check.network.fast import FastConvNeXtPose

        specification = self.files.settings.network
        if specification is None:
            return FastConvNeXtPose(self.plain(variant))
        architecture = self._architecture(variant)
        if is_exported(specification):
            return exported_network(specification, variant, architecture, self.device())
        return ForeignNetwork(self.counted(variant), architecture, specification)

    def soft_argmax(self, variant: str) -> SoftArgmaxBackend | None:
        """What computes the judged network's soft-argmax, None for a network of ``--network``."""
        from convnextpose_check.network.fast import FastConvNeXtPose

        network = self.judged(variant)
        return network.soft_argmax_backend if isinstance(network, FastConvNeXtPose) else None

    def conditions(self) -> Conditions:
        """What the settings have the networks measured under."""
        device, s = self.device(), self.files.settings
        size = s.batch_size or (64 if device.type == "cuda" else 4)
        return Conditions(device, s.flip, size, s.workers, self._others())

    def entry(self, variant: str, subject: str) -> Entry:
        """The judged network as it is evaluated, kept under the subject's name."""
        with told_as_failure("building the network"):  # then this variant fails alone
            network = self.judged(variant)
        return Entry(
            network,
            self._key(variant),
            self.files.settings.results_dir / kept_file(subject, variant),
            tuple(self._replica(variant, device) for device in self._others()),
        )

    def _others(self) -> tuple[torch.device, ...]:
        """The devices beside the first that evaluate; a network of code has one place alone."""
        foreign = self.files.settings.network
        return self.devices()[1:] if foreign is None or is_exported(foreign) else ()

    def _replica(self, variant: str, device: torch.device) -> Network:
        """The judged network once more, on another device."""
        from convnextpose_check.network.fast import FastConvNeXtPose

        settings = self.files.settings
        if settings.network is not None:
            architecture = self._architecture(variant)
            return exported_network(settings.network, variant, architecture, device)
        return FastConvNeXtPose(self.plain(variant), device)

    def _key(self, variant: str) -> str | None:
        """What the evaluation is kept under; None for a network of code, never twice the same."""
        files = self.files
        foreign = files.settings.network
        if foreign is not None and not is_exported(foreign):
            return None
        settings = {
            "flip": files.settings.flip,
            "device": card_name(self.device()),
            "network": msgspec.to_builtins(self._architecture(variant)),
            "exported": foreign and exported_digest(foreign, variant),
            "soft_argmax": None if foreign else self.soft_argmax(variant),
        }
        return evaluation_key(files.checkpoint(variant).sha256, files.dataset(), settings)

    def _architecture(self, variant: str) -> Architecture:
        return self.files.catalogue[variant].architecture

    def _check_holds(self, variant: str) -> None:
        catalogue = self.files.catalogue
        check_holds_variant(catalogue[variant], self.files.checkpoint(variant), catalogue)
