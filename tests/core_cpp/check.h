// A test is `TEST(name) { ... CHECK(...) ... }`; a program runs all of its own, or those named.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <vector>

namespace check {

struct Test {
  const char* name;
  void (*body)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

inline bool failed = false;

inline bool report(bool ok, const char* text, const char* file, int line) {
  if (!ok) {
    std::fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
    failed = true;
  }
  return ok;
}

// Runs `body` in a forked child; true when it came to its end and no check failed there.
template <class Body>
bool passes_in_child(const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    failed = false;
    alarm(60);  // a child that hangs has failed
    body();
    _exit(failed ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

template <class E, class Body>
bool throws(const Body& body, const char* part) {
  try {
    body();
  } catch (const E& error) {
    return std::strstr(error.what(), part) != nullptr;
  } catch (...) {
  }
  return false;
}

}  // namespace check

#define CHECK(...) check::report((__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)

#define TEST(name)                                                                   \
  static void name();                                                                \
  static const bool name##_listed = (check::tests().push_back({#name, name}), true); \
  static void name()

int main(int argc, char** argv) {
  int run = 0;
  for (const check::Test& test : check::tests()) {
    bool wanted = argc == 1;
    for (int i = 1; i < argc; ++i) wanted |= std::strcmp(argv[i], test.name) == 0;
    if (!wanted) continue;
    ++run;
    try {
      test.body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: %s\n", test.name, error.what());
      check::failed = true;
    }
  }
  std::printf("%d tests, %s\n", run, check::failed ? "FAILED" : "passed");
  return check::failed || run == 0 ? 1 : 0;
}
