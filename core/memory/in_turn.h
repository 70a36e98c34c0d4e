// Giving things back without recursion, however long the chain of their owners is.
#pragma once

namespace flambeau::inline v1::memory {

// Note [Chains]: what owns one of its kind may be the head of a chain whose length the user decides
// (gradients that have gradients, arrays over tensors over arrays): freed by recursion, it overruns
// the stack. Calls free(object) at once; while such a call is under way on this thread, after it.
void in_turn(void (*free)(void*), void* object) noexcept;

}  // namespace flambeau::inline v1::memory
