// Which numbers a dtype holds: the one place that tells.
#pragma once

#include "core/tensor/scalar.h"

namespace flambeau::inline v1 {

// Whether a number is a value of the dtype, up to rounding. Fractions are dropped by integers,
// infinities and NaN are floating point values; negative integers stand for the unsigned ones that
// they are equal to modulo 2^n, as in C, as long as their size fits.
bool fits(const Scalar& value, DType dtype);
// RuntimeError if it does not.
void check_fits(const char* op, const Scalar& value, DType dtype);

// How many of `start`, `start + step`, ... come before `end`; RuntimeError beyond 64 bits.
int64_t steps_between(const char* op, int64_t start, int64_t end, int64_t step);
// RuntimeError where the first or the last of `n` integers `start + i * step` does not fit.
void check_sequence(const char* op, const Scalar& start, const Scalar& step, int64_t n,
                    DType dtype);

// Of an integer dtype: below zero if the number is less than all values, above if it is greater.
// Numbers are taken as they are, not modulo 2^n.
int beyond(const Scalar& value, DType dtype);

}  // namespace flambeau::inline v1
