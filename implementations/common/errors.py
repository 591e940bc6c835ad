"""What a person did wrong, or a machine lacks: shown as one message, without a traceback."""

from __future__ import annotations


class Fault(Exception):
    """Something found that stops the run: exit code 1. The message says what was found, what was expected, and how to mend it."""

    code = 1


class Usage(Fault):
    """A command that can't be meant: exit code 2."""

    code = 2
