"""Whether a call gives up Python's lock, seen from a thread that waits for it."""

import sys
import threading


def lets_others_run(f) -> bool:
    """Whether another thread gets Python's lock while ``f()`` runs. Nothing but giving it up lets
    that thread in: this one is not asked to before a very long time has passed. On a busy machine
    it may come too late for one call, so there are several."""
    wake, ran = threading.Lock(), []
    wake.acquire()

    def work():
        wake.acquire()
        ran.append(True)

    thread = threading.Thread(target=work)
    before = sys.getswitchinterval()
    thread.start()
    try:
        sys.setswitchinterval(1000)
        wake.release()
        for _ in range(100):
            f()
            if ran:
                return True
        return False
    finally:
        sys.setswitchinterval(before)
        thread.join()
