"""The commands, one module each.

A module's docstring is the ``--help`` of its command, and the first line its entry in the list of
commands. ``ARGUMENTS`` maps arguments to argparse's keywords, ``SETTINGS`` lists the options of a
run that the command accepts. ``run`` prints the outcome and returns the exit code.
"""
