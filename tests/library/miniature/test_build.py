"""The generated stand-in: the same bytes everywhere, and models that look at the picture."""

from __future__ import annotations

import json
import shutil
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import pytest

from convnextpose_check.files.json_files import read_json
from convnextpose_check.human36m.crops import read_crop, to_input
from convnextpose_check.human36m.geometry import Camera, camera_to_image, world_to_camera
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.human36m.skeleton import BONES
from convnextpose_check.miniature import build
from convnextpose_check.miniature.archives import made_epoch, snapshot_folder
from convnextpose_check.miniature.body import SUBJECT_LOOKS
from convnextpose_check.miniature.build import CAMERAS_FILE, Miniature, cached_miniature
from convnextpose_check.miniature.dataset import (
    SUBJECTS,
    TURNED_IMAGE,
    Sequence,
    _write_image,
    sequences,
    test_image_count,
    write_dataset,
)
from convnextpose_check.miniature.drawing import draw_person
from convnextpose_check.miniature.poses import pose_world_mm, seat_height_mm
from convnextpose_check.miniature.record import read_record
from convnextpose_check.miniature.reference import REFERENCE_FILE
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.network.layout import build_network
from convnextpose_check.variants import Architecture, Catalogue
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from convnextpose_check.network.plain import ConvNeXtPose
else:
    torch = Deferred("torch")

test_image_count.__test__ = False  # type: ignore[attr-defined]  # a function of the miniature
VARIANTS = ("XS", "S", "M", "L")


@pytest.fixture(scope="module")
def cameras(fixtures: Path) -> dict[str, Any]:
    return dict(json.loads((fixtures / CAMERAS_FILE).read_text()))


@pytest.fixture(scope="module")
def dataset(miniature: Miniature, fixtures: Path) -> Dataset:
    return load_dataset(miniature.dataset, read_record(fixtures).dataset)


def some_sequences() -> list[Sequence]:
    chosen = {(9, 9, 1), (9, 13, 2), (11, 4, 2), (11, 14, 1)}
    every = [sequence for subject in SUBJECTS for sequence in sequences(subject)]
    return [s for s in every if (s.subject, s.action, s.subaction) in chosen]


@pytest.mark.parametrize("sequence", some_sequences(), ids=lambda sequence: sequence.name)
def test_image_is_drawn_again_to_the_byte(
    miniature: Miniature, cameras: dict[str, Any], tmp_path: Path, sequence: Sequence
) -> None:
    entry = cameras[f"S{sequence.subject}"][str(sequence.camera_index)]
    camera, frame = Camera.from_annotation(entry), sequence.test_frames[-1]
    world_mm = pose_world_mm(sequence.subject, sequence.action, sequence.subaction, frame)
    joints_cam_mm = world_to_camera(np.round(world_mm, 3), camera)
    _write_image(tmp_path, sequence, frame, joints_cam_mm, camera, tuple(entry["image_size"]))
    name = f"images/{sequence.file_name(frame)}"
    assert (tmp_path / name).read_bytes() == (miniature.dataset / name).read_bytes()


@pytest.mark.parametrize("subject", SUBJECTS)
def test_written_joints_are_those_that_the_generator_gives_again(
    miniature: Miniature, subject: int
) -> None:
    path = miniature.dataset / "annotations" / f"Human36M_subject{subject}_joint_3d.json"
    written = read_json(path, dict[str, dict[str, dict[str, Any]]])
    for sequence in sequences(subject):
        poses = written[str(sequence.action)][str(sequence.subaction)]
        assert list(poses) == [str(frame) for frame in sequence.frames]
        last = sequence.frames[-1]
        again = pose_world_mm(subject, sequence.action, sequence.subaction, last)
        np.testing.assert_allclose(poses[str(last)], again, atol=0.000_501, rtol=0)


@pytest.mark.slow
def test_whole_data_set_is_generated_again_to_the_byte(
    miniature: Miniature, cameras: dict[str, Any], tmp_path: Path
) -> None:
    """The first generation is the one in the cache, by another process."""
    write_dataset(tmp_path / "again", cameras)
    files = {
        root: {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
        for root in (miniature.dataset, tmp_path / "again")
    }
    cached, again = files.values()
    assert sorted(cached) == sorted(again)
    assert [n for n in cached if cached[n].read_bytes() != again[n].read_bytes()] == []


def test_bones_keep_their_length_in_every_pose() -> None:
    poses = [pose_world_mm(9, action, 1, frame) for action in range(2, 17) for frame in (0, 40)]
    lengths = [[np.linalg.norm(pose[a] - pose[b]) for a, b in BONES] for pose in poses]
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], (30, len(BONES))), rtol=0.02)
    assert np.abs(poses[0] - poses[1]).max() > 1, "the person does not move"


def test_people_are_within_their_boxes(dataset: Dataset) -> None:
    for sample in dataset.samples:
        pixels = camera_to_image(sample.joints_cam_mm, sample.camera)
        x, y, w, h = sample.box_xywh_px
        inside = (pixels >= (x, y)) & (pixels <= (x + w, y + h))
        assert inside.mean() > 0.9
        assert 3000 < sample.root_depth_mm < 8000


def test_who_sits_has_something_to_sit_on(cameras: dict[str, Any]) -> None:
    """The stool is seen below the pelvis, nowhere far from it, and carries the person."""
    entry = cameras["S9"]["2"]
    camera, (width_px, height_px) = Camera.from_annotation(entry), entry["image_size"]
    joints_cam_mm = world_to_camera(pose_world_mm(9, 9, 1, 0), camera)
    pelvis_px = camera_to_image(joints_cam_mm[:1], camera)[0]
    seat_mm = seat_height_mm(9, 9, 1)

    standing, seated = (
        draw_person(joints_cam_mm, camera, width_px, height_px, SUBJECT_LOOKS[9], seat)
        for seat in (0.0, seat_mm)
    )

    rows, columns = np.nonzero(np.abs(standing.astype(int) - seated).max(axis=2) > 30)
    assert len(rows) > 1000
    assert rows.min() > pelvis_px[1]
    assert np.abs(columns - pelvis_px[0]).max() < 100
    assert 70 < pose_world_mm(9, 9, 1, 0)[0, 2] - seat_mm < 110
    assert [seat_height_mm(9, action, 1) > 0 for action in (2, 9, 10)] == [False, True, False]


def test_person_and_room_differ_between_images(dataset: Dataset) -> None:
    assert len({read_crop(sample).sha256 for sample in dataset.samples[::6]}) == 20
    assert SUBJECT_LOOKS[9] != SUBJECT_LOOKS[11]


def test_some_boxes_reach_over_the_image(dataset: Dataset) -> None:
    outside = [s for s in dataset.samples if s.box_xywh_px[:2].min() < 0]
    assert 3 <= len(outside) < len(dataset.samples) / 2


def test_counts_of_the_data_set_fit_its_record(dataset: Dataset) -> None:
    assert test_image_count() == len(dataset.samples) == 120
    turned = [s.image_id for s in dataset.samples if b"Exif" in s.path.read_bytes()[:20]]
    assert len(turned) == 1
    assert TURNED_IMAGE[0] == 9


@pytest.mark.parametrize("name", VARIANTS)
def test_archive_has_the_published_size(
    miniature: Miniature, catalogue: Catalogue, name: str
) -> None:
    facts = catalogue[name].checkpoint
    size = (miniature.checkpoints / facts.file_name).stat().st_size
    assert size == pytest.approx(facts.bytes, rel=0.005)


@pytest.mark.parametrize(("name", "members"), [("XS", 598), ("S", 808), ("M", 808), ("L", 808)])
def test_archive_has_the_members_of_an_old_torch(
    miniature: Miniature, catalogue: Catalogue, name: str, members: int
) -> None:
    facts, folder = catalogue[name].checkpoint, snapshot_folder(catalogue[name])
    with zipfile.ZipFile(miniature.checkpoints / facts.file_name) as archive:
        names = archive.namelist()
        assert len(names) == members
        assert {member.partition("/")[0] for member in names} == {folder}
        assert f"{folder}/byteorder" not in names
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.testzip() is None


def test_members_data_begin_at_multiples_of_64(miniature: Miniature, catalogue: Catalogue) -> None:
    path = miniature.checkpoints / catalogue["XS"].checkpoint.file_name
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name, extra = struct.unpack_from("<HH", content, info.header_offset + 26)
            assert (info.header_offset + 30 + name + extra) % 64 == 0


def test_seeded_weights_are_the_seeds_own(tiny: Architecture) -> None:
    first, again, other = (seeded_state(tiny, seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["head.final_layer.weight"], other["head.final_layer.weight"])
    assert all(tensor.isfinite().all() for tensor in first.values())


@pytest.fixture(scope="module")
def xs(catalogue: Catalogue) -> ConvNeXtPose:
    variant = catalogue["XS"]
    state = seeded_state(variant.architecture, made_epoch(variant))
    return build_network(variant.architecture, state, torch.device("cpu"))


@pytest.fixture(scope="module")
def heatmaps(xs: ConvNeXtPose, dataset: Dataset) -> Tensor:
    pixels = [read_crop(sample).pixels_rgb for sample in dataset.samples[::20]]
    crops = to_input(torch.from_numpy(np.stack([p for p in pixels if p is not None])))
    with torch.inference_mode():
        return xs.heatmaps(crops)


def test_heatmaps_are_sharp(heatmaps: Tensor) -> None:
    """A flat volume of 32768 cells has a highest probability of 0.00003."""
    highest = heatmaps.flatten(2).softmax(dim=2).amax(dim=2)
    assert highest.median() > 0.05
    assert highest.min() > 0.01


def test_positions_depend_on_the_image(heatmaps: Tensor) -> None:
    from convnextpose_check.network.plain import soft_argmax

    spread = soft_argmax(heatmaps).std(dim=0)
    assert (spread.mean(dim=0) > 1.0).all(), "cells along x, y and depth"
    assert (spread[:, :2] > 0.3).all()


def cheap(miniature: Miniature, _cameras: Path, _stream: TextIO | None) -> None:
    miniature.checkpoints.mkdir()
    (miniature.checkpoints / "one.tar").write_text("one")


def test_cache_is_built_once(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []

    def counted(miniature: Miniature, cameras: Path, stream: TextIO | None) -> None:
        built.append(miniature.folder)
        cheap(miniature, cameras, stream)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "_generate", counted)
    first = cached_miniature(fixtures)
    assert cached_miniature(fixtures) == first
    assert len(built) == 1
    assert built[0] != first.folder
    assert list((tmp_path / "convnextpose-check").iterdir()) == [first.folder]
    assert (first.checkpoints / "one.tar").read_text() == "one"


def test_interrupted_build_leaves_nothing_behind(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(miniature: Miniature, cameras: Path, stream: TextIO | None) -> None:
        cheap(miniature, cameras, stream)
        raise KeyboardInterrupt

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "_generate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached_miniature(fixtures)
    assert list((tmp_path / "convnextpose-check").iterdir()) == []


def test_build_that_another_run_overtakes_uses_the_others(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(miniature: Miniature, cameras: Path, stream: TextIO | None) -> None:
        monkeypatch.setattr(build, "_generate", cheap)
        other = cached_miniature(cameras, stream)
        (other.checkpoints / "one.tar").write_text("the other's")
        cheap(miniature, cameras, stream)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "_generate", overtaken)
    obtained = cached_miniature(fixtures)
    assert (obtained.checkpoints / "one.tar").read_text() == "the other's"
    assert list((tmp_path / "convnextpose-check").iterdir()) == [obtained.folder]


@pytest.mark.parametrize("name", [CAMERAS_FILE, f"reference/{REFERENCE_FILE}"])
def test_other_cameras_or_weights_have_another_place_in_the_cache(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "_generate", cheap)
    other = shutil.copytree(fixtures, tmp_path / "other")
    with (other / name).open("ab") as stream:
        stream.write(b"\n")
    assert cached_miniature(other).folder != cached_miniature(fixtures).folder


def test_cache_that_cannot_be_written_is_replaced_by_a_temporary_one(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder can be made below a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(build, "_generate", cheap)
    obtained = cached_miniature(fixtures)
    assert obtained.checkpoints.is_dir()
    assert obtained.folder.parent.parent == tmp_path
