// Every shape rule, for the generated entries.
#pragma once

#if __has_include("kernels/shape/conv.h")
#include "kernels/shape/conv.h"
#endif
#if __has_include("kernels/shape/index.h")
#include "kernels/shape/index.h"
#endif
#if __has_include("kernels/shape/join.h")
#include "kernels/shape/join.h"
#endif
#if __has_include("kernels/shape/loss.h")
#include "kernels/shape/loss.h"
#endif
#if __has_include("kernels/shape/reduce.h")
#include "kernels/shape/reduce.h"
#endif
