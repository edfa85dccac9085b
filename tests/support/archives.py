"""Small checkpoints in every archive and folder form that users have."""

import io
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.network.keymap import StateDict, add_prefix, to_legacy
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture, Catalogue, Variant, read_catalogue

EPOCH = 70
MACOS_FILES = {
    "__MACOSX/._archive": b"\0\5\x16\7",
    "__MACOSX/archive/._data.pkl": b"\0\5\x16\7",
    "__MACOSX/archive/data.pkl": b"\0\5\x16\7",
    "archive/.DS_Store": b"\0\0\0\1Bud1",
    "archive/data/._0": b"\0\5\x16\7",
    ".DS_Store": b"\0\0\0\1Bud1",
}
"""Files that macOS adds to zip archives and folders."""

FormWriter = Callable[[bytes, Path], Path]


def tiny_variant(tiny: Architecture, name: str, head_channels: int = 6) -> Variant:
    """A published variant's record with a tiny architecture."""
    architecture = msgspec.structs.replace(tiny, head_channels=head_channels)
    return msgspec.structs.replace(read_catalogue()[name], architecture=architecture)


def tiny_catalogue(tiny: Architecture) -> Catalogue:
    """The four variants with tiny architectures, which differ in head channels."""
    names = read_catalogue().names
    variants = tuple(tiny_variant(tiny, name, width) for width, name in enumerate(names, start=6))
    return Catalogue("tiny", variants)


def make_snapshot(
    architecture: Architecture, epoch: Any = EPOCH, legacy: bool = False, seed: int = 7
) -> Any:
    """A training snapshot as the authors' script saves it, with seeded weights."""
    state = add_prefix(seeded_state(architecture, seed))
    network = OrderedDict(to_legacy(state) if legacy else state)
    return {"epoch": epoch, "network": network, "optimizer": {"state": {}, "param_groups": []}}


def save_to_bytes(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def read_members(archive: bytes) -> dict[str, bytes]:
    """The members of a zip archive without their top folder and hidden files."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        members = {name.partition("/")[2]: opened.read(name) for name in opened.namelist()}
    return {name: data for name, data in members.items() if not name.startswith(".")}


def make_zip(
    members: Mapping[str, bytes],
    folder: str = "archive/",
    compression: int = zipfile.ZIP_STORED,
    date_time: tuple[int, ...] = (2020, 1, 1, 0, 0, 0),
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(folder + name)
            info.date_time = date_time  # type: ignore[assignment]  # of six numbers
            archive.writestr(info, data, compression)
    return buffer.getvalue()


def make_tar(members: Mapping[str, bytes], folder: str = "", mode: Any = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(folder + name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def write_members(members: Mapping[str, bytes], folder: Path) -> Path:
    for name, data in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _file_form(name: str, wrap: Callable[[bytes], bytes] = bytes) -> FormWriter:
    """A form that is one file; ``wrap`` maps the checkpoint's bytes to its content."""

    def write(archive: bytes, folder: Path) -> Path:
        path = folder / name
        path.write_bytes(wrap(archive))
        return path

    return write


def _folder_form(name: str, members: Callable[[bytes], Mapping[str, bytes]]) -> FormWriter:
    """A form that is an unpacked folder."""
    return lambda archive, folder: write_members(members(archive), folder / name)


def _zip_form(**options: Any) -> FormWriter:
    return _file_form("again.zip", lambda archive: make_zip(read_members(archive), **options))


def _form_without(name: str) -> FormWriter:
    return _file_form(
        "a.pth", lambda a: make_zip({n: d for n, d in read_members(a).items() if n != name})
    )


def _add_macos_files(archive: bytes) -> dict[str, bytes]:
    return MACOS_FILES | {f"archive/{name}": data for name, data in read_members(archive).items()}


FORMS: dict[str, FormWriter] = {
    "as_saved": _file_form("ConvNeXtPose_XS.tar"),
    "folder": _folder_form("snapshot_70.pth", read_members),
    "folder_around_folder": _folder_form(
        "XS", lambda a: {f"s/{name}": data for name, data in read_members(a).items()}
    ),
    "folder_with_macos_files": _folder_form("mac", _add_macos_files),
    "zipped_again_stored": _zip_form(),
    "zipped_again_deflated": _zip_form(compression=zipfile.ZIP_DEFLATED),
    "zip_with_macos_files": _file_form(
        "mac.zip", lambda a: make_zip(_add_macos_files(a), "", zipfile.ZIP_DEFLATED)
    ),
    "no_top_folder": _zip_form(folder=""),
    "one_folder_deeper": _zip_form(folder="ConvNeXtPose_XS/snapshot_70.pth/"),
    "dot_slash": _zip_form(folder="./snapshot_70/"),
    "backslashes": _zip_form(folder="snapshot_70\\"),
    "shuffled": _file_form("a.pth", lambda a: make_zip(dict(reversed(read_members(a).items())))),
    "without_version": _form_without("version"),
    "without_byteorder": _form_without("byteorder"),
    "without_date": _zip_form(date_time=(1980, 0, 0, 0, 0, 0)),
    "tar_around_pth": _file_form("a.tar", lambda a: make_tar({"snapshot_70.pth": a})),
    "tar_bz2_around_pth": _file_form("a.tar.bz2", lambda a: make_tar({"s.pth": a}, mode="w:bz2")),
    "tar_xz_around_pth": _file_form("a.tar.xz", lambda a: make_tar({"s.pth": a}, mode="w:xz")),
    "tar_of_folder": _file_form("a.tar", lambda a: make_tar(read_members(a), "./snapshot_70.pth/")),
    "tar_gz_of_folder": _file_form("a.tgz", lambda a: make_tar(read_members(a), "s/", mode="w:gz")),
    "zip_around_pth": _file_form("a.zip", lambda a: make_zip({"ConvNeXtPose_XS.tar": a}, "Drive/")),
    "zip_around_tar_gz": _file_form(
        "a.zip", lambda a: make_zip({"a.tar.gz": make_tar({"a.pth": a}, mode="w:gz")}, "")
    ),
}
"""Functions that write a checkpoint's bytes below a folder and return the path to load."""


def find_differing_keys(one: StateDict, other: StateDict) -> list[str]:
    """Keys whose tensors differ in bits, dtype or shape, or exist only once."""
    return [
        key
        for key in one.keys() | other.keys()
        if key not in one or key not in other or _bits(one[key]) != _bits(other[key])
    ]


def _bits(tensor: torch.Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
    return tensor.dtype, tensor.shape, tensor.numpy().tobytes()


def make_checkpoint(
    network: StateDict, epoch: int = EPOCH, path: Path = Path("L.tar"), **fields: Any
) -> Checkpoint:
    return Checkpoint(path, "zip", "0" * 64, epoch, network, **fields)
