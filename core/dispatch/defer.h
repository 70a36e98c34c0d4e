// Ops that are noted and run when a result is read: the seam of graph mode, without its gains.
#pragma once

#include "core/dispatch/op.h"

namespace flambeau::inline v1 {

// Note [Deferral]
// While it is on for a thread, an op that has a rule and a CPU kernel is noted: the rule gives
// sizes and dtype at once, and the result is a tensor whose storage is promised. Whoever reads a
// value passes Tensor::bytes(), finds the promise there, and has all notes run in their order. So
// does the op with which too many would wait, or with which their results would take much memory.
//
// Run at once: ops that change an argument, draw numbers, depend on values or can raise on them,
// ops with registrations, and ops on memory that somebody outside may write to. What changes memory
// runs all notes first, since they may still want to read it.
//
// Notes run as large kernels do, without Python's lock where there is much to do, and a fork waits
// until those that run have ended.
void set_deferral(bool on);  // for this thread
bool deferral_is_on();
void run_notes();  // of all threads
size_t pending_notes();

}  // namespace flambeau::inline v1
