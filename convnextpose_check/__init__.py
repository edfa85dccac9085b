"""Judge whether published ConvNeXtPose checkpoints do what their paper says.

README.md beside this file describes the architecture.
"""

__version__ = "0.2.0"
