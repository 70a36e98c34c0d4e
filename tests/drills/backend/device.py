"""The device from outside under its name: its library is what ``GUARDED_LIBRARY`` says."""

import ctypes
import os
import types

import flambeau as torch

LIBRARY = ctypes.CDLL(os.environ["GUARDED_LIBRARY"], mode=ctypes.RTLD_GLOBAL)
LIBRARY.guarded_blocks.restype = ctypes.c_size_t
LIBRARY.guarded_waits.argtypes = [ctypes.c_uint64] * 2
LIBRARY.guarded_register()
torch.utils.rename_privateuse1_backend("guarded")
torch._register_device_module("guarded", types.ModuleType("flambeau.guarded"))
torch.utils.generate_methods_for_privateuse1_backend(for_storage=True)
