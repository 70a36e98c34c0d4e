// Exceptions that the binding turns into Python's of the same kind.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace flambeau::inline v1 {

struct Error : std::runtime_error {  // RuntimeError
  using std::runtime_error::runtime_error;
};
struct IndexError : Error {
  using Error::Error;
};
struct TypeError : Error {
  using Error::Error;
};
struct ValueError : Error {
  using Error::Error;
};
struct NotImplementedError : Error {
  using Error::Error;
};
struct OverflowError : Error {
  using Error::Error;
};
struct RecursionError : Error {
  using Error::Error;
};
struct LinAlgError : Error {
  using Error::Error;
};
// The memory of a tensor is not there to be read. The dispatcher adds the op.
struct NoMemory : Error {
  using Error::Error;
};

template <class... A>
[[gnu::cold, gnu::noinline]] std::string concat(const A&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// Literals of any length are one type, and one function.
template <class E, class... A>
[[noreturn, gnu::cold, gnu::noinline, gnu::visibility("hidden")]] void raise_parts(A... parts) {
  throw E(concat(parts...));
}
template <class E = Error, class... A>
[[noreturn, gnu::always_inline]] inline void raise(const A&... parts) {
  raise_parts<E, std::conditional_t<std::is_array_v<A>, const char*, const A&>...>(parts...);
}

// check(condition, "op: ", what, ...): RuntimeError; check<IndexError>(...) others.
template <class E = Error, class... A>
inline void check(bool ok, const A&... parts) {
  if (!ok) [[unlikely]]
    raise<E>(parts...);
}

// Something that works, but probably is not what was meant. Goes to stderr, or to the handler; the
// binding's raises a Python warning, and throws where warnings are errors.
void warn(const std::string& text);
using WarningHandler = void (*)(const std::string& text);
void set_warning_handler(WarningHandler handler);  // nullptr: back to stderr

}  // namespace flambeau::inline v1
