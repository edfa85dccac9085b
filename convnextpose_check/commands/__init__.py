"""The commands, a module each.

A module's docstring is its ``--help``, the first line its row in the list of commands.
``add_arguments`` declares its arguments; ``run`` prints the outcome and returns the exit code.
"""
