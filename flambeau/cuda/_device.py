from flambeau._absent import Absent

cuda = Absent("CUDA", "cuda", AssertionError)
