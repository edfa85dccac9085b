"""Invalid annotation files raise one error that names file and position."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m.samples import BoxSource, load_dataset
from tests.support.datasets import FACTS, ROOTNET, HandmadeDataset

NAN, INF = float("nan"), float("inf")


def catch_problem(root: Path, file: str, boxes: BoxSource = "gt") -> str:
    """The message of the error, which must name the file."""
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        load_dataset(root, FACTS, boxes=boxes)
    assert caught.value.code == "bad-annotations"
    assert file in caught.value.problem
    return caught.value.problem


def change_camera(**fields: object) -> Callable[[HandmadeDataset], object]:
    return lambda m: m.cameras[9]["1"].update(fields)


def change_image(**fields: object) -> Callable[[HandmadeDataset], object]:
    return lambda m: m.image(100).update(fields)


def change_box(*values: object) -> Callable[[HandmadeDataset], object]:
    return lambda m: m.annotation(100).update(bbox=values)


WRONG_CONTENT: list[tuple[str, str, Callable[[HandmadeDataset], object]]] = [
    ("data", "$.images[0].id", change_image(id="7")),
    ("data", "images[0].id", change_image(id=2**63)),
    ("data", "width", lambda m: m.image(100).pop("width")),
    ("data", "frame_idx", change_image(frame_idx=0.5)),
    ("data", "annotations[0].bbox", change_box(1, 1, 1)),
    *(("data", "got null, NaN or infinity - at `$.annotations[0].bbox[2]`",
       change_box(1, 1, value, 1)) for value in (None, NAN, INF, -INF)),
    ("data", "bbox[2]", change_box(1, 1, 10**10, 1)),
    ("data", "images", lambda m: m.data[9].pop("images")),
    ("data", "have one image id", lambda m: m.data[9]["images"].append(m.image(100))),
    ("data", "have one image id", lambda m: m.annotation(102).update(image_id=100)),
    ("joint_3d", "`$[4]` of action 2, 1, frame 64", lambda m: m.frame(102)[4].pop()),
    ("joint_3d", "`$[4][0]` of action 2, 1, frame 64",
     lambda m: m.frame(102)[4].__setitem__(0, "x")),
    ("joint_3d", "of length >= 17 of action 2, 1, frame 64", lambda m: m.frame(102).pop()),
    ("camera", "Expected `object`, got `int` - at `$[...]`",
     lambda m: m.cameras[9].update({"1": 5})),
    ("camera", "missing required field `R`", lambda m: m.cameras[9]["1"].pop("R")),
    ("camera", "Expected `array` of length 3 - at `$[...].R", change_camera(R=[[1, 0], [0, 1]])),
    ("camera", "NaN or infinity - at `$[...].f[0]`", change_camera(f=[NAN, 1])),
    ("camera", "$[...].f[0]", change_camera(f=[10**400, 1])),
    ("camera", "$[...].c[0]", change_camera(c=[1e39, 1])),
    ("camera", "$[...].f[1]", change_camera(f=[200, 0])),
    ("camera", "`key` in `$`", lambda m: m.cameras[9].update(front=m.cameras[9]["1"])),
    ("camera", "`key` in `$`", lambda m: m.cameras[9].update({"01": m.cameras[9]["1"]})),
]  # fmt: skip


@pytest.mark.parametrize(("part", "fragment", "change"), WRONG_CONTENT)
def test_load_dataset_wrong_content_is_refused(
    tmp_path: Path, part: str, fragment: str, change: Callable[[HandmadeDataset], object]
) -> None:
    handmade = HandmadeDataset()
    root = handmade.write(tmp_path / "set")
    change(handmade)
    contents = {"data": handmade.data, "camera": handmade.cameras, "joint_3d": handmade.joints}
    file = f"Human36M_subject9_{part}.json"
    (root / "annotations" / file).write_text(json.dumps(contents[part][9]))

    assert fragment in catch_problem(root, file)


def truncate(end: int) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes()[:end])


def replace_text(old: str, new: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(path.read_text().replace(old, new, 1))


def replace_file(create: Callable[[Path], object]) -> Callable[[Path], object]:
    def replace(path: Path) -> None:
        path.unlink()
        create(path)

    return replace


def write_nested(path: Path) -> None:
    path.write_bytes(b'{"1":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


WRONG_FILES: list[tuple[str, str, Callable[[Path], object]]] = [
    *((part, "truncated", truncate(-1)) for part in ("data", "camera", "joint_3d")),
    *((part, "cannot be used", write_nested) for part in ("data", "camera", "joint_3d")),
    ("data", "it is empty", truncate(0)),
    ("data", "cannot be read (No such file", replace_file(lambda p: p.symlink_to(p.parent / "x"))),
    ("data", "not a regular file", replace_file(os.mkfifo)),
]  # fmt: skip


@pytest.mark.parametrize(("part", "fragment", "spoil"), WRONG_FILES)
def test_load_dataset_wrong_file_is_refused(
    tmp_path: Path, part: str, fragment: str, spoil: Callable[[Path], object]
) -> None:
    root = HandmadeDataset().write(tmp_path / "set")
    file = root / "annotations" / f"Human36M_subject9_{part}.json"
    spoil(file)

    assert fragment in catch_problem(root, file.name)


def test_load_dataset_root_of_two_numbers_raises(tmp_path: Path) -> None:
    handmade = HandmadeDataset()
    handmade.rootnet[3]["root_cam"] = [1, 2]
    root = handmade.write(tmp_path / "set")

    assert "$[3].root_cam" in catch_problem(root, ROOTNET, boxes="rootnet")


@pytest.mark.parametrize("lost", [1, 6])
def test_load_dataset_boxes_without_root_raise(tmp_path: Path, lost: int) -> None:
    handmade = HandmadeDataset()
    for entry in handmade.rootnet[:lost]:
        del entry["root_cam"]
        entry.update(score=0.99, category_id=1)
    root = handmade.write(tmp_path / "set")

    fragment = f"{lost} of 6 boxes have no `root_cam`, as those in DetectNet's"
    assert fragment in catch_problem(root, ROOTNET, boxes="rootnet")
