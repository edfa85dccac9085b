"""The commands, a module each.

A module's docstring is its ``--help``, the first line its row in the list of commands.
``ARGUMENTS`` maps its own arguments to argparse's keywords, ``SETTINGS`` names the options of a run
that it takes. ``run`` prints the outcome and returns the exit code.
"""
