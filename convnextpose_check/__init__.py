"""Judge whether published ConvNeXtPose checkpoints do what their paper says.

The modules follow the data, from archive to verdict: ``variants`` (the figures), ``archive``,
``checkpoint``, ``keymap``, ``network``, ``human36m``, ``crops``, ``evaluation``, ``metrics``,
``checks``, ``results`` and ``report``. Nothing here knows of pytest but ``report``.
"""

__version__ = "0.1.0"
