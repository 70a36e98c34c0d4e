"""Where a program's time and memory go, step by step. See :class:`profile`."""

from flambeau.autograd._profiler_activity import ProfilerActivity, supported_activities
from flambeau.autograd.profiler import kineto_available, record_function
from flambeau.autograd.profiler_util import DeviceType
from flambeau.profiler.profiler import (
    ExecutionTraceObserver,
    ProfilerAction,
    profile,
    schedule,
    tensorboard_trace_handler,
)
from flambeau.profiler.profiler import (
    _ExperimentalConfig as _ExperimentalConfig,
)
from flambeau.profiler.profiler import (
    _KinetoProfile as _KinetoProfile,
)

__all__ = [
    "DeviceType",
    "ExecutionTraceObserver",
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]
