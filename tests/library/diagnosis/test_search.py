"""Images that a change restores are found, with the affected group."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from convnextpose_check.diagnosis.replay import IMAGE_CHANGES, Condition
from convnextpose_check.diagnosis.search import Search
from tests.support.sample_tables import make_sample_table, mix_tables


def make_search(shown_table: Any) -> Search:
    run: Any = SimpleNamespace(variant="XS", result_mm=60.0, reference_mm=50.0, saved=shown_table)
    return Search(run, lambda: None)


def test_restored_images_of_a_camera_are_found() -> None:
    sound = make_sample_table()
    (mask,) = (group.mask for group in sound.groups if group.label == "camera 3")
    noise = np.random.default_rng(0).normal(0, 2, sound.cells_xyz.shape)
    worse = replace(sound, cells_xyz=sound.cells_xyz + noise)
    table, restored = mix_tables(sound, mask, worse), mix_tables(worse, mask, sound)

    def predict(change: Condition) -> dict[str, Any]:
        return {"": (restored if change is IMAGE_CHANGES[1] else worse).cells_xyz}

    replay: Any = SimpleNamespace(table=table, predict=predict)
    excess_mm = table.error_mm - sound.error_mm
    search = make_search(table)

    (finding,) = search._restore_images(replay, excess_mm, np.random.default_rng(0))

    assert finding.what == f"the data fit if the images are {IMAGE_CHANGES[1].what}"
    assert finding.place == "camera 3, 180 of 720 samples"


def test_images_that_no_change_restores_are_ruled_out() -> None:
    table = make_sample_table()
    replay: Any = SimpleNamespace(table=table, predict=lambda _: {"": table.cells_xyz})
    search = make_search(table)

    assert search._restore_images(replay, 3.0, np.random.default_rng(0)) == []
    assert search.answer.ruled_out == ["images of other brightness, contrast or colors"]
