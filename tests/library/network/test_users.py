"""Networks built by the user's code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Module

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.network.users import (
    UserNetwork,
    build_module,
    has_published_layout,
    load_weights,
    parse_specification,
)
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture, Catalogue
from tests.support.texts import read_marked_section

FACTORY_CODE = '''
import torch

class OwnNetwork(torch.nn.Module):
    """A module without the published keys."""
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

def build(variant):
    return OwnNetwork()

def build_text(variant):
    return variant
'''


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "factories_of_a_test.py").write_text(FACTORY_CODE)
    monkeypatch.syspath_prepend(tmp_path)
    return "factories_of_a_test"


def test_build_module_hides_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "factories_in_a_folder.py").write_text("import helper_of_a_test\n" + FACTORY_CODE)
    (tmp_path / "helper_of_a_test.py").write_text("")
    (tmp_path / "tqdm.py").write_text("raise RuntimeError")
    before = [*sys.path]

    module = build_module("factories_in_a_folder:build", "XS", tmp_path)
    build_module("factories_in_a_folder:build", "S", tmp_path)

    assert isinstance(module, torch.nn.Module)
    assert sys.path == [*before, str(tmp_path)]


@pytest.mark.parametrize(
    ("attribute", "fragment"),
    [
        (":missing", "module factories_of_a_test has no 'missing'"),
        (":build.missing", "module factories_of_a_test has no 'build.missing'"),
        ("_not_there:build", "it cannot be imported"),
        (":build_text", "it returned a str"),
    ],
)
def test_build_module_bad_factory_raises(factories: str, attribute: str, fragment: str) -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match=rf"^\[bad-network\] .*{fragment}"):
        build_module(factories + attribute, "XS")


@pytest.mark.parametrize(
    "text",
    ["exports/XS.tflite", "XS.pt", "XS.pth", "adapter", "adapter:build()", "XS.onnx.data"],
)
def test_parse_specification_refuses_other_files(text: str) -> None:
    with pytest.raises(ValueError, match=r"^package.module:factory, exports/.*onnx or .*pt2"):
        parse_specification(text)


def test_has_published_layout_own_keys_is_false(factories: str, tiny: Architecture) -> None:
    assert not has_published_layout(build_module(f"{factories}:build", "XS"), tiny)


OUTPUTS: dict[str, Callable[[Any, Any], Any]] = {
    "cells": lambda reference, x: reference(x),
    "flat heatmaps": lambda reference, x: reference.head(reference.backbone(x)),
    "volumes": lambda reference, x: reference.heatmaps(x),
}


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
def test_user_network_detects_cells_and_heatmaps_by_shape(
    reference: ConvNeXtPose, tiny: Architecture, crops: Tensor, output: Callable[[Any, Any], Any]
) -> None:
    cells_xyz = UserNetwork(lambda x: output(reference, x), tiny, "own")(crops)

    assert torch.equal(cells_xyz, reference(crops))


@pytest.mark.parametrize(
    "network",
    [lambda x: x, lambda x: x[:, :2, :18].mean(3), lambda _: "cells", lambda x: x.mean((1, 2, 3))],
)
def test_user_network_other_shape_raises(tiny: Architecture, crops: Tensor, network: Any) -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match=r"expected \(3, 18, 3\) cells or"):
        UserNetwork(network, tiny, "own")(crops)


@pytest.mark.parametrize("style", ["modern", "parallel"])
def test_load_weights_published_keys_get_published_weights(
    tiny: Architecture, reference: ConvNeXtPose, crops: Tensor, style: str
) -> None:
    own = ConvNeXtPose(tiny).eval()
    module: Module = torch.nn.DataParallel(own) if style == "parallel" else own
    assert has_published_layout(module, tiny)
    assert not torch.equal(own(crops), reference(crops))

    load_weights(module, seeded_state(tiny, seed=1))

    assert torch.equal(own(crops), reference(crops))


AUTHORS_CODE = """
import torch
from config import cfg
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.variants import Architecture, Catalogue

def get_pose_net(cfg, is_train, joint_num):
    blocks, channels = map(tuple, cfg.backbone_cfg)
    network = ConvNeXtPose(
        Architecture("", blocks, channels, cfg.depth, 2, cfg.depth_dim, joint_num)
    )
    last = network.head.deconv_layers_3
    last.upsample1 = torch.nn.Identity()
    last.register_forward_hook(lambda layer, _, x: layer.upsample1(x))
    return network.eval()
"""


def test_readme_adapter_builds_authors_repository(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XS and M, with two and three upsampling layers, one after the other in one process."""
    _, adapter, _ = read_marked_section("adapter").split("```")
    (tmp_path / "adapter.py").write_text(adapter.removeprefix("python\n"))
    (tmp_path / "main").mkdir()
    (tmp_path / "main" / "config.py").write_text("class cfg:\n    pass\n")
    (tmp_path / "main" / "model.py").write_text(AUTHORS_CODE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    crop = torch.zeros(1, 3, 64, 64)
    for name in ("XS", "M"):
        architecture = catalogue[name].architecture
        module = build_module("adapter:build", name, tmp_path)
        expected = ConvNeXtPose(architecture).eval()
        load_weights(module, expected.state_dict())

        assert torch.equal(module(crop).flatten(), expected.heatmaps(crop).flatten())
    for module_name in ("adapter", "config", "model"):
        del sys.modules[module_name]
