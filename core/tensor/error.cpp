#include "core/tensor/error.h"

#include <atomic>
#include <cstdio>

namespace flambeau::inline v1 {
namespace {

void print(const std::string& text) { std::fprintf(stderr, "Warning: %s\n", text.c_str()); }

std::atomic<WarningHandler> handler{print};

}  // namespace

void warn(const std::string& text) { handler.load(std::memory_order_relaxed)(text); }
void set_warning_handler(WarningHandler f) { handler = f ? f : print; }

}  // namespace flambeau::inline v1
