// What an op that writes asks of its target.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1 {

// Error if elements of a target share memory: which of them would be kept?
void check_written_once(const char* op, const Tensor& target);

// Error if a target that keeps its shape has another than the result.
void check_shape(const char* op, const Tensor& target, IntSpan sizes);

// Error: what is read and what is written share elements.
[[noreturn]] void raise_shared(const char* op);

// Error if what is read lies shifted over what is written, element by element.
void check_not_shifted(const char* op, const Tensor& written, const Tensor& read);

// Whether what is read may change, or its memory move, when `out` gets these sizes and is written.
bool may_change(const Tensor& read, const Tensor& out, IntSpan sizes);

}  // namespace flambeau::inline v1
