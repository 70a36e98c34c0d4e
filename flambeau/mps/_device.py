from flambeau._absent import Absent

mps = Absent("MPS", "mps", RuntimeError)
