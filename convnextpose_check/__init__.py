"""Judge whether published ConvNeXtPose checkpoints do what their paper says.

README.md beside this file has a line for each room, and which imports from which.
"""

__version__ = "0.2.0"
