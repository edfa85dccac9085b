"""Architecture, exact counts, reported values and checkpoint of each variant.

``variants.json`` beside this module describes the published models. A user's variants file
describes other models in the same format.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.first_bytes import UTF8_MARK

PUBLISHED_FILE = Path(__file__).with_name("variants.json")

Protocol = Literal[1, 2]

REFERENCE = "reference"
"""Name of the only trained synthetic model; the others have seeded random weights."""

INPUT_SIDE_PX = 256
"""Side of the square crops that the network reads."""

Size = Annotated[int, msgspec.Meta(ge=1, le=4096)]
"""A number of blocks, channels or bins, with a limit that fits in memory."""

Name = Annotated[str, msgspec.Meta(pattern=r"^\w[\w.+-]{0,31}\Z")]
"""A variant's name, which becomes part of file names and test ids."""

Count = Annotated[int, msgspec.Meta(ge=0)]

FileName = Annotated[str, msgspec.Meta(pattern=r"^[^./\\\0][^/\\\0]*\Z")]
"""A file name without folders."""

DriveId = Annotated[str, msgspec.Meta(pattern=r"^[\w-]+\Z")]
"""The id of a file or folder, as in links to Google Drive."""


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of the network's layers.

    ``head_upsamplings`` is the number of head layers, of three, that upsample by 2.
    """

    backbone: str
    blocks: tuple[Size, Size, Size, Size]
    channels: tuple[Size, Size, Size, Size]
    head_channels: Size
    head_upsamplings: Literal[0, 1, 2, 3]
    depth_bins: Size
    joints: Literal[18]

    @property
    def heatmap_side(self) -> int:
        """Height and width of the heatmaps in cells: 8, doubled by each upsampling."""
        return 8 * 2**self.head_upsamplings

    @property
    def grid_whd(self) -> tuple[int, int, int]:
        """Number of cells of a joint's volume along x, y and depth."""
        return self.heatmap_side, self.heatmap_side, self.depth_bins


class ReportedValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reported value and its source.

    ``information_only`` is the reason why the value is shown but does not affect the verdict.
    """

    value: float
    source: str
    information_only: str | None = None


class Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The paper's values for the variant; None where the paper has no value."""

    mpjpe_mm: ReportedValue | None
    pa_mpjpe_mm: ReportedValue | None
    parameters_millions: ReportedValue | None
    gmacs: ReportedValue | None

    def error_mm(self, protocol: Protocol) -> ReportedValue | None:
        """MPJPE under protocol 2, PA-MPJPE under protocol 1."""
        return self.mpjpe_mm if protocol == 2 else self.pa_mpjpe_mm


class ReportedCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An integer on record, or several if sources disagree.

    ``information_only`` is the reason why it is shown but does not affect the verdict.
    """

    value: Count | Annotated[tuple[Count, ...], msgspec.Meta(min_length=2)]
    source: str
    information_only: str | None = None

    @property
    def values(self) -> tuple[int, ...]:
        """The number or numbers on record."""
        return self.value if isinstance(self.value, tuple) else (self.value,)

    @property
    def is_verified(self) -> bool:
        """True if a file with another number is not the published file."""
        return self.information_only is None

    def __str__(self) -> str:
        """Such as ``68`` or ``67 or 68, unverified``."""
        return " or ".join(map(str, self.values)) + ("" if self.is_verified else ", unverified")


class CheckpointFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The recorded properties of the variant's checkpoint; None if not on record.

    ``epoch`` counts from 0, ``iterations`` is their number per epoch, ``folder`` the top folder
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

    ``parameters`` counts trainable numbers, ``state_elements`` all numbers of the state dict
    including BatchNorm buffers, ``multiply_adds`` those of the convolutions for one image.
    ``guide`` is the number of state elements, in millions, that the Kaggle guide reports.
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
    """The content of a variants file.

    ``sources`` has the source of fields that do not contain it, such as ``parameters``.
    """

    about: str
    variants: tuple[Variant, ...]
    drive_folder: DriveId | None = None
    sources: dict[str, str] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) < len(self.names):
            raise ValueError("expected at least one variant, each once")

    @property
    def names(self) -> tuple[str, ...]:
        """The variants' names, in the file's order."""
        return tuple(variant.name for variant in self.variants)

    def __getitem__(self, name: str) -> Variant:
        if name not in self.names:
            raise ConvNeXtPoseCheckError(
                ErrorCode.BAD_OPTION,
                f"unknown variant '{name}'",
                f"Choose from {', '.join(self.names)}",
            )
        return self.variants[self.names.index(name)]


def read_catalogue(path: Path = PUBLISHED_FILE) -> Catalogue:
    """Read and validate a variants file.

    Raises ``ConvNeXtPoseCheckError`` (``bad-variants-file``) if the file is missing, is not JSON,
    lacks a field, has an unknown field, or has two variants of one name.
    """
    try:
        return msgspec.json.decode(path.read_bytes().removeprefix(UTF8_MARK), type=Catalogue)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_VARIANTS_FILE,
            f"cannot read the variants file {path}: {getattr(error, 'strerror', error)}",
            f"Write it in the format of {PUBLISHED_FILE}",
        ) from None
