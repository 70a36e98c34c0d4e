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

namespace detail {
// A literal is a part like any other text, whatever its length: one function serves all messages
// with the same types of parts. Hidden, since each library brings those that it needs.
template <class T>
using Part = std::conditional_t<std::is_array_v<T>, const char*, const T&>;

template <class... P>
[[gnu::cold, gnu::noinline, gnu::visibility("hidden")]] std::string text_of(P... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <class E, class... P>
[[noreturn, gnu::cold, gnu::noinline, gnu::visibility("hidden")]] void throw_text(P... parts) {
  throw E(text_of<P...>(parts...));
}
}  // namespace detail

template <class... A>
[[gnu::always_inline]] inline std::string concat(const A&... parts) {
  return detail::text_of<detail::Part<A>...>(parts...);
}

template <class E = Error, class... A>
[[noreturn, gnu::always_inline]] inline void raise(const A&... parts) {
  detail::throw_text<E, detail::Part<A>...>(parts...);
}

// check(condition, "op: ", what, ...): RuntimeError; check<IndexError>(...) others.
template <class E = Error, class... A>
[[gnu::always_inline]] inline void check(bool ok, const A&... parts) {
  if (!ok) [[unlikely]]
    raise<E>(parts...);
}

// Something that works, but probably is not what was meant. Goes to stderr, or to the handler; the
// binding's raises a Python warning, and throws where warnings are errors.
void warn(const std::string& text);
using WarningHandler = void (*)(const std::string& text);
void set_warning_handler(WarningHandler handler);  // nullptr: back to stderr

}  // namespace flambeau::inline v1
