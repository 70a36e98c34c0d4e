// What a package includes that brings a kind of device: its table of functions, and kernels for
// the ops of the records. See docs/devices.md, and tests/drills/backend/ for one.
#pragma once

#include "core/dispatch/backend.h"
#include "core/dispatch/op.h"
#include "core/memory/allocator.h"
#include "core/tensor/device_table.h"
