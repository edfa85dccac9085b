"""Judge whether published ConvNeXtPose checkpoints do what their paper says.

The modules follow the data, from archive to verdict: ``variants`` (the figures), ``members`` and
``containers`` (the archives), ``checkpoint``, ``keymap``, ``network``, ``models``; ``layout``,
``annotations``, ``human36m``, ``crops``; ``evaluation``, ``metrics``, ``verdicts``, ``checks``;
``subjects``, ``benchmark``, ``results`` and ``report``. Only ``command_line``, ``session`` and
``report_hooks`` know of pytest.
"""

__version__ = "0.1.0"
