"""Small checkpoints, wrapped in every form that users hold them in."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.network.keymap import StateDict, add_prefix, to_legacy
from convnextpose_check.synthetic.archives import made_epoch, write_archive
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture, Catalogue, Variant, read_catalogue

EPOCH = 70
LITTER = {
    "__MACOSX/._archive": b"\0\5\x16\7",
    "__MACOSX/archive/._data.pkl": b"\0\5\x16\7",
    "__MACOSX/archive/data.pkl": b"\0\5\x16\7",
    "archive/.DS_Store": b"\0\0\0\1Bud1",
    "archive/data/._0": b"\0\5\x16\7",
    ".DS_Store": b"\0\0\0\1Bud1",
}
"""What a Mac leaves in a zip and in a folder."""

FormWriter = Callable[[bytes, Path], Path]


def tiny_variant(tiny: Architecture, name: str, head_channels: int = 6) -> Variant:
    """A published variant's names and facts around a network that is instant."""
    architecture = msgspec.structs.replace(tiny, head_channels=head_channels)
    return msgspec.structs.replace(read_catalogue()[name], architecture=architecture)


def tiny_catalogue(tiny: Architecture) -> Catalogue:
    """The four variants, told apart by the width of their heads."""
    names = read_catalogue().names
    variants = tuple(tiny_variant(tiny, name, width) for width, name in enumerate(names, start=6))
    return Catalogue("tiny", variants)


def content_of(
    architecture: Architecture, epoch: Any = EPOCH, legacy: bool = False, seed: int = 7
) -> Any:
    """The content of a training snapshot, as the authors' script puts it together."""
    state = add_prefix(seeded_state(architecture, seed))
    network = OrderedDict(to_legacy(state) if legacy else state)
    return {"epoch": epoch, "network": network, "optimizer": {"state": {}, "param_groups": []}}


def saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def authors_archive(variant: Variant, folder: Path) -> bytes:
    """The variant in the container that the authors' torch wrote."""
    path = folder / "authors"
    write_archive(variant, seeded_state(variant.architecture, made_epoch(variant)), path)
    return path.read_bytes()


def members_of(archive: bytes) -> dict[str, bytes]:
    """The members that matter, without their top folder."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        members = {name.partition("/")[2]: opened.read(name) for name in opened.namelist()}
    return {name: data for name, data in members.items() if not name.startswith(".")}


def zipped(
    members: Mapping[str, bytes],
    folder: str = "archive/",
    compression: int = zipfile.ZIP_STORED,
    year: int = 2020,
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(folder + name)
            info.date_time = (year, 1, 1, 0, 0, 0)
            if year < 1980:
                info.date_time = (1980, 0, 0, 0, 0, 0)  # as stored by tools that know no date
            archive.writestr(info, data, compression)
    return buffer.getvalue()


def tarred(
    members: Mapping[str, bytes],
    folder: str = "",
    mode: Literal["w", "w:gz", "w:bz2", "w:xz"] = "w",
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(folder + name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def unpacked(members: Mapping[str, bytes], folder: Path) -> Path:
    for name, data in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _file(name: str, wrap: Callable[[bytes], bytes] = bytes) -> FormWriter:
    """The form that is one file of this name around the checkpoint's bytes."""

    def write(archive: bytes, folder: Path) -> Path:
        path = folder / name
        path.write_bytes(wrap(archive))
        return path

    return write


def _folder(name: str, members: Callable[[bytes], Mapping[str, bytes]]) -> FormWriter:
    """The form that is an unpacked folder."""
    return lambda archive, folder: unpacked(members(archive), folder / name)


def _rezipped(**options: Any) -> FormWriter:
    return _file("again.zip", lambda archive: zipped(members_of(archive), **options))


def _without(name: str) -> FormWriter:
    return _file("a.pth", lambda a: zipped({n: d for n, d in members_of(a).items() if n != name}))


def _with_litter(archive: bytes) -> dict[str, bytes]:
    return LITTER | {f"archive/{name}": data for name, data in members_of(archive).items()}


FORMS: dict[str, FormWriter] = {
    "as_saved": _file("ConvNeXtPose_XS.tar"),
    "folder": _folder("snapshot_70.pth", members_of),
    "folder_around_folder": _folder(
        "XS", lambda a: {f"s/{name}": data for name, data in members_of(a).items()}
    ),
    "folder_with_litter": _folder("mac", _with_litter),
    "zipped_again_stored": _rezipped(),
    "zipped_again_deflated": _rezipped(compression=zipfile.ZIP_DEFLATED),
    "zip_with_litter": _file(
        "mac.zip", lambda a: zipped(_with_litter(a), "", zipfile.ZIP_DEFLATED)
    ),
    "no_top_folder": _rezipped(folder=""),
    "one_folder_deeper": _rezipped(folder="ConvNeXtPose_XS/snapshot_70.pth/"),
    "dot_slash": _rezipped(folder="./snapshot_70/"),
    "backslashes": _rezipped(folder="snapshot_70\\"),
    "shuffled": _file("a.pth", lambda a: zipped(dict(reversed(members_of(a).items())))),
    "without_version": _without("version"),
    "without_byteorder": _without("byteorder"),
    "before_1980": _rezipped(year=1970),
    "tar_around_pth": _file("a.tar", lambda a: tarred({"snapshot_70.pth": a})),
    "tar_bz2_around_pth": _file("a.tar.bz2", lambda a: tarred({"s.pth": a}, mode="w:bz2")),
    "tar_xz_around_pth": _file("a.tar.xz", lambda a: tarred({"s.pth": a}, mode="w:xz")),
    "tar_of_folder": _file("a.tar", lambda a: tarred(members_of(a), "./snapshot_70.pth/")),
    "tar_gz_of_folder": _file("a.tgz", lambda a: tarred(members_of(a), "s/", mode="w:gz")),
    "zip_around_pth": _file("a.zip", lambda a: zipped({"ConvNeXtPose_XS.tar": a}, "Drive/")),
    "zip_around_tar_gz": _file(
        "a.zip", lambda a: zipped({"a.tar.gz": tarred({"a.pth": a}, mode="w:gz")}, "")
    ),
}
"""Writes a checkpoint's bytes in one form below a folder and returns the path to open."""


def differing_keys(one: StateDict, other: StateDict) -> list[str]:
    """Keys at which two state dicts do not hold the same bits, dtypes and shapes."""
    return [
        key
        for key in one.keys() | other.keys()
        if key not in one or key not in other or _bits(one[key]) != _bits(other[key])
    ]


def _bits(tensor: torch.Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
    return tensor.dtype, tensor.shape, tensor.numpy().tobytes()


def checkpoint_of(
    network: StateDict, epoch: int = EPOCH, path: Path = Path("L.tar"), **fields: Any
) -> Checkpoint:
    return Checkpoint(path, "zip", "0" * 64, epoch, network, **fields)
