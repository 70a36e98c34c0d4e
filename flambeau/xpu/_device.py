from flambeau._absent import Absent

xpu = Absent("XPU", "xpu", AssertionError)
