from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TextIO

import pytest

from convnextpose_check.human36m.geometry import camera_to_image
from convnextpose_check.human36m.samples import load_dataset
from convnextpose_check.synthetic import build
from convnextpose_check.synthetic.archives import snapshot_folder
from convnextpose_check.synthetic.build import CAMERAS_FILE, SyntheticData, cached_synthetic_data
from convnextpose_check.synthetic.dataset import SUBJECTS, Sequence, draw_images, sequences
from convnextpose_check.synthetic.record import read_record
from convnextpose_check.synthetic.reference import REFERENCE_FILE
from convnextpose_check.variants import Catalogue

Patch = pytest.MonkeyPatch
CASES = ((9, 9, 1), (9, 13, 2), (11, 6, 2), (11, 14, 2))
"""Subject, action, subaction of images with EXIF orientation, at a border, seated, walking."""


@pytest.mark.parametrize(
    "sequence",
    [s for n in SUBJECTS for s in sequences(n) if (n, s.action, s.subaction) in CASES],
    ids=lambda sequence: sequence.name,
)
def test_draw_images_repeats(synthetic: SyntheticData, fixtures: Path, sequence: Sequence) -> None:
    images = draw_images(sequence, json.loads((fixtures / CAMERAS_FILE).read_text()))

    assert len(images) == len(sequence.test_frames)
    for name, content in images.items():
        assert content == (synthetic.dataset / "images" / name).read_bytes()


def test_synthetic_samples_have_hard_cases(synthetic: SyntheticData, fixtures: Path) -> None:
    dataset = load_dataset(synthetic.dataset, read_record(fixtures).dataset)

    for sample in dataset.samples:
        pixels = camera_to_image(sample.joints_cam_mm, sample.camera)
        x, y, w, h = sample.box_xywh_px
        assert ((pixels >= (x, y)) & (pixels <= (x + w, y + h))).mean() > 0.9

    assert dataset.is_complete()
    assert 3 <= sum(sample.box_xywh_px[:2].min() < 0 for sample in dataset.samples) < 30
    assert sum(b"Exif" in sample.path.read_bytes()[:20] for sample in dataset.samples) == 1


@pytest.mark.parametrize(("name", "members"), [("XS", 598), ("S", 808), ("M", 808), ("L", 808)])
def test_synthetic_archive_has_members_and_size_of_published_one(
    synthetic: SyntheticData, catalogue: Catalogue, name: str, members: int
) -> None:
    facts, folder = catalogue[name].checkpoint, snapshot_folder(catalogue[name])
    path = synthetic.checkpoints / facts.file_name

    assert path.stat().st_size == pytest.approx(facts.bytes, rel=0.005)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert len(names) == members
        assert {member.partition("/")[0] for member in names} == {folder}
        assert f"{folder}/byteorder" not in names
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: Patch) -> Path:
    """An empty cache; ``write_one_file`` replaces the generation of the synthetic data."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "_generate", write_one_file)
    return tmp_path / "convnextpose-check"


def write_one_file(synthetic: SyntheticData, _cameras: Path, _stream: TextIO | None) -> None:
    synthetic.checkpoints.mkdir()
    (synthetic.checkpoints / "one.tar").write_text("one")


def interrupt_generation(synthetic: SyntheticData, cameras: Path, stream: TextIO | None) -> None:
    write_one_file(synthetic, cameras, stream)
    raise KeyboardInterrupt


def test_cached_synthetic_data_made_once(fixtures: Path, cache: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(build, "_generate", interrupt_generation)
    with pytest.raises(KeyboardInterrupt):
        cached_synthetic_data(fixtures)
    monkeypatch.setattr(build, "_generate", write_one_file)
    assert list(cache.iterdir()) == []

    first = cached_synthetic_data(fixtures)
    other = shutil.copytree(fixtures, cache.with_name("other"))
    for name in (CAMERAS_FILE, f"reference/{REFERENCE_FILE}"):
        with (other / name).open("ab") as stream:
            stream.write(b"\n")
        assert cached_synthetic_data(other).folder.parent == first.folder.parent
    monkeypatch.setattr(build, "_generate", None)

    assert cached_synthetic_data(fixtures) == first
    assert len(list(cache.iterdir())) == 3
    assert (first.checkpoints / "one.tar").read_text() == "one"


def test_cached_synthetic_data_is_shared(fixtures: Path, cache: Path, monkeypatch: Patch) -> None:
    def generate_second(synthetic: SyntheticData, cameras: Path, stream: TextIO | None) -> None:
        monkeypatch.setattr(build, "_generate", write_one_file)
        other = cached_synthetic_data(cameras, stream)
        (other.checkpoints / "one.tar").write_text("the other's")
        write_one_file(synthetic, cameras, stream)

    monkeypatch.setattr(build, "_generate", generate_second)
    obtained = cached_synthetic_data(fixtures)

    assert (obtained.checkpoints / "one.tar").read_text() == "the other's"
    assert list(cache.iterdir()) == [obtained.folder]


def test_cached_synthetic_data_falls_back(fixtures: Path, cache: Path, monkeypatch: Patch) -> None:
    cache.write_text("no folder can be made below a file", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(tempfile, "tempdir", str(cache.parent))

    obtained = cached_synthetic_data(fixtures)

    assert obtained.checkpoints.is_dir()
    assert obtained.folder.parent.parent == cache.parent
