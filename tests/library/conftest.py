"""What the tests of the download share: a Drive on this machine, and four tiny files on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from convnextpose_check import drive as fetching
from convnextpose_check.download import Downloads, fetch_missing
from convnextpose_check.variants import Architecture, Catalogue
from tests.library.archives import content_of, saved, tiny_catalogue
from tests.library.drive import Drive, send_google_to, whole

Fetch = Callable[..., Downloads]


@pytest.fixture(scope="session")
def archives(tiny: Architecture) -> dict[str, bytes]:
    """Each variant's archive."""
    return {
        v.name: saved(content_of(v.architecture, v.checkpoint.epoch))
        for v in tiny_catalogue(tiny).variants
    }


@pytest.fixture(scope="session")
def shared(tiny: Architecture, archives: dict[str, bytes]) -> Catalogue:
    """The four variants, tiny, with their true sizes and ids on Drive."""
    variants = tuple(
        replace(v, checkpoint=replace(v.checkpoint, bytes=len(archives[v.name])))
        for v in tiny_catalogue(tiny).variants
    )
    return Catalogue("tiny", variants, "the-folder")


@pytest.fixture
def drive(
    shared: Catalogue, archives: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Drive]:
    """A Drive that has the four files, and nobody waits long for it."""
    monkeypatch.setattr(fetching, "BACK_OFF_SECONDS", 0.01)
    with Drive().open() as server:
        send_google_to(server.server.server_port, monkeypatch)
        for variant in shared.variants:
            server.answer(str(variant.checkpoint.drive_id), whole(archives[variant.name]))
        yield server


@pytest.fixture
def fetch(drive: Drive, shared: Catalogue, tmp_path: Path) -> Fetch:  # noqa: ARG001 - it answers
    """Fetch these variants, XS if none is named, into ``tmp_path / "checkpoints"``."""

    def fetch_here(*names: str, catalogue: Catalogue = shared, **options: object) -> Downloads:
        given = {"places": [], "folder": tmp_path / "checkpoints", "stream": None} | options
        return fetch_missing(
            catalogue=catalogue,
            names=names or ["XS"],
            results_dir=tmp_path / "output",
            **given,  # type: ignore[arg-type]  # as the caller has it
        )

    return fetch_here
