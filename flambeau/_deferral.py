"""``FLAMBEAU_DEFER=1``: ops of threads that Python starts are noted too."""

import sys
import threading

from flambeau import _C


def _begin(frame, event, arg):
    sys.setprofile(None)
    _C._set_deferral(True)


threading.setprofile(_begin)
