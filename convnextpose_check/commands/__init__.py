"""The commands of ``python -m convnextpose_check``, a module each.

A module's docstring is what ``--help`` says of it: its first line in the list of commands, all of
it on the command's own page. ``add_arguments`` declares what it takes, ``run`` does it, prints what
came of it and returns the exit code.
"""
