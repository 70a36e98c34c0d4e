"""What a command does when nobody reads on: ``... list | head``."""

import functools
import os
import sys

__all__ = ["ends_with_its_reader"]


def ends_with_its_reader(main):
    """Decorates a command's ``main``: when what reads its output has gone, it ends in silence, as
    other programs do, with their exit code (128 + SIGPIPE)."""

    @functools.wraps(main)
    def command(*arguments):
        try:
            code = main(*arguments)
            sys.stdout.flush()
        except BrokenPipeError:
            # The interpreter flushes once more at its end, which must not fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        return code

    return command
