// Key bits: why a call may not go straight to a kernel.
#pragma once

#include <bit>
#include <cstdint>

namespace flambeau {

// From the innermost layer to the outermost; a layer handles a call, excludes itself and calls
// again.
enum class Key : uint8_t {
  backend,          // a device whose kernels were registered from outside
  python_dispatch,  // __torch_dispatch__, subclasses and modes
  functionalize,
  negative,   // lazily negated
  conjugate,  // lazily conjugated
  autograd,
  autocast,
  transform,  // vmap, grad, jvp levels
  recorder,   // profiler, graph capture
  count,
};

using KeySet = uint32_t;
constexpr KeySet bit(Key key) { return KeySet{1} << static_cast<int>(key); }
constexpr Key top(KeySet keys) { return static_cast<Key>(31 - std::countl_zero(keys)); }
// All layers inside `key`, itself excluded.
constexpr KeySet below(Key key) { return bit(key) - 1; }

constexpr KeySet kAutograd = bit(Key::autograd);
constexpr KeySet kConjugate = bit(Key::conjugate);
constexpr KeySet kNegative = bit(Key::negative);
constexpr KeySet kPythonDispatch = bit(Key::python_dispatch);

}  // namespace flambeau
