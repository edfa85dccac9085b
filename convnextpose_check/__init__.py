"""Check whether the published ConvNeXtPose checkpoints reproduce the paper's values.

README.md beside this file describes the packages and their layers.
"""

__version__ = "0.2.0"
