"""The reported and counted values of each variant, read from one data file.

``variants.json`` beside this module describes the published models. Users describe models of
their own in another file of the same form.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode

PUBLISHED_FILE = Path(__file__).with_name("variants.json")

Protocol = Literal[1, 2]

REFERENCE = "reference"
"""The one trained model of the synthetic set; the others have seeded weights."""

INPUT_SIDE_PX = 256
"""Side of the square crops that the network reads."""

Size = Annotated[int, msgspec.Meta(ge=1, le=4096)]
"""A number of blocks, channels or bins that a network on one machine can have."""

Name = Annotated[str, msgspec.Meta(pattern=r"^\w[\w.+-]{0,31}\Z")]
"""A variant's name: it becomes part of file names and test ids."""

Count = Annotated[int, msgspec.Meta(ge=0)]

FileName = Annotated[str, msgspec.Meta(pattern=r"^[^./\\\0][^/\\\0]*\Z")]
"""A file name without folders."""

DriveId = Annotated[str, msgspec.Meta(pattern=r"^[\w-]+\Z")]
"""The id of a file or folder in the links of Google Drive."""


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The network's layers; ``head_upsamplings`` of the three head layers upsample."""

    backbone: str
    blocks: tuple[Size, Size, Size, Size]
    channels: tuple[Size, Size, Size, Size]
    head_channels: Size
    head_upsamplings: Literal[0, 1, 2, 3]
    depth_bins: Size
    joints: Literal[18]

    @property
    def heatmap_side(self) -> int:
        """Height and width of the heatmaps in cells: the backbone's 8, doubled."""
        return 8 * 2**self.head_upsamplings

    @property
    def grid_whd(self) -> tuple[int, int, int]:
        """Cells of a joint's volume along x, y and depth."""
        return self.heatmap_side, self.heatmap_side, self.depth_bins


class ReportedValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reported value and its source.

    ``information_only`` is the reason why the value is shown but never decides a verdict.
    """

    value: float
    source: str
    information_only: str | None = None


class Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The paper's values for the variant; null where it reports none."""

    mpjpe_mm: ReportedValue | None
    pa_mpjpe_mm: ReportedValue | None
    parameters_millions: ReportedValue | None
    gmacs: ReportedValue | None

    def error_mm(self, protocol: Protocol) -> ReportedValue | None:
        """MPJPE under protocol 2, PA-MPJPE under protocol 1."""
        return self.mpjpe_mm if protocol == 2 else self.pa_mpjpe_mm


class ReportedCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole number on record, or several that sources disagree about.

    ``information_only`` is the reason why it is shown and never decides.
    """

    value: Count | Annotated[tuple[Count, ...], msgspec.Meta(min_length=2)]
    source: str
    information_only: str | None = None

    @property
    def values(self) -> tuple[int, ...]:
        """All claimed numbers."""
        return self.value if isinstance(self.value, tuple) else (self.value,)

    @property
    def decides(self) -> bool:
        """True if a file with another number is another file."""
        return self.information_only is None

    def __str__(self) -> str:
        """Such as ``68`` or ``67 or 68, claimed``."""
        return " or ".join(map(str, self.values)) + ("" if self.decides else ", claimed")


class CheckpointFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The recorded properties of the variant's file; None where nothing is on record.

    ``epoch`` counts from 0, ``iterations`` are those of one epoch, ``folder`` is the top folder
    inside the archive, and ``bytes`` the expected size, +/- half a percent.
    """

    file_name: FileName
    head_keys: Literal["modern", "legacy"]
    epoch: ReportedCount | None = None
    iterations: ReportedCount | None = None
    drive_id: DriveId | None = None
    folder: FileName | None = None
    bytes: int | None = None


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model: architecture, exact counts, reported values and checkpoint.

    ``parameters`` counts trainable numbers, ``state_elements`` all of the state dict with the
    BatchNorm buffers, ``multiply_adds`` those of the convolutions for one image. ``guide`` is the
    Kaggle guide's number of state elements in millions.
    """

    name: Name
    architecture: Architecture
    parameters: int
    state_elements: int
    multiply_adds: int
    paper: Paper
    checkpoint: CheckpointFacts
    guide: ReportedValue | None = None


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All variants of one variants file.

    ``sources`` names, by field, the sources of the fields without a source of their own.
    """

    about: str
    variants: tuple[Variant, ...]
    drive_folder: DriveId | None = None
    sources: dict[str, str] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) < len(self.names):
            raise ValueError("it must name at least one variant, each once")

    @property
    def names(self) -> tuple[str, ...]:
        """The variants' names, in the file's order."""
        return tuple(variant.name for variant in self.variants)

    def __getitem__(self, name: str) -> Variant:
        if name not in self.names:
            raise ConvNeXtPoseCheckError(
                ErrorCode.BAD_OPTION,
                f"no variant is named '{name}'",
                f"Choose from {', '.join(self.names)}",
            )
        return self.variants[self.names.index(name)]


def read_catalogue(path: Path = PUBLISHED_FILE) -> Catalogue:
    """Read and validate a variants file.

    Raises ``ConvNeXtPoseCheckError`` (``bad-variants-file``) for a file that is missing, is not
    JSON, lacks a field, has an unknown one, or names a variant twice.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Catalogue)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_VARIANTS_FILE,
            f"cannot read the variants file {path}: {getattr(error, 'strerror', error)}",
            f"Compare it with {PUBLISHED_FILE}, whose form it must have",
        ) from None
