// Key bits: why a call may not go straight to a kernel.
#pragma once

#include <bit>
#include <cstdint>

namespace flambeau::inline v1 {

// From the innermost layer to the outermost; a layer handles a call, excludes itself and calls
// again.
enum class Key : uint8_t {
  backend,          // a device or layout that the kernels of the records do not know
  defer,            // ops are noted, and run when a result is read
  capture,          // notes of what would run: graphs below autograd
  python_dispatch,  // __torch_dispatch__, subclasses and modes
  transform_inner,  // leaves a level of vmap, grad or jvp: what is below belongs to the next one
  functionalize,
  negative,   // lazily negated
  conjugate,  // lazily conjugated
  autograd,
  symbolic,  // Python answers for sizes: compositions run as Python; of no concern to other ops
  autocast,
  transform_outer,  // enters the top level of vmap, grad or jvp
  profiler,         // begin and end of what the program called
  registered,       // no layer: ops with registrations at run time look at each layer's, see op.h
  count,
};

using KeySet = uint32_t;
constexpr KeySet bit(Key key) { return KeySet{1} << static_cast<int>(key); }
constexpr Key top(KeySet keys) { return static_cast<Key>(31 - std::countl_zero(keys)); }
// All layers inside `key`, itself excluded.
constexpr KeySet below(Key key) { return bit(key) - 1; }

constexpr KeySet kAllKeys = below(Key::count) & ~bit(Key::symbolic);
constexpr KeySet kAutograd = bit(Key::autograd);
constexpr KeySet kConjugate = bit(Key::conjugate);
constexpr KeySet kNegative = bit(Key::negative);
constexpr KeySet kPythonDispatch = bit(Key::python_dispatch);
// On for a whole thread and seen by nobody who asks whether something unusual is on.
constexpr KeySet kDefer = bit(Key::defer);
constexpr KeySet kRegistered = bit(Key::registered);
// A composite is seen as one op by what looks at the program; all other layers see its parts.
constexpr KeySet kCompositeKeys =
    bit(Key::autocast) | bit(Key::profiler) | bit(Key::symbolic) | kRegistered;
// Layers that are told when a program reads values; the rest have no say in what memory holds.
constexpr KeySet kSeesReads = bit(Key::backend) | bit(Key::capture) | kPythonDispatch |
                              bit(Key::transform_inner) | bit(Key::functionalize) |
                              bit(Key::transform_outer) | bit(Key::profiler) | kRegistered;

}  // namespace flambeau::inline v1
