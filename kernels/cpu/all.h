// Every kernel, for the generated entries.
#pragma once

#if __has_include("kernels/cpu/convolution.h")
#include "kernels/cpu/convolution.h"
#endif
#if __has_include("kernels/cpu/index.h")
#include "kernels/cpu/index.h"
#endif
#if __has_include("kernels/cpu/join.h")
#include "kernels/cpu/join.h"
#endif
#if __has_include("kernels/cpu/loss.h")
#include "kernels/cpu/loss.h"
#endif
#if __has_include("kernels/cpu/norm.h")
#include "kernels/cpu/norm.h"
#endif
#if __has_include("kernels/cpu/order.h")
#include "kernels/cpu/order.h"
#endif
#if __has_include("kernels/cpu/pointwise.h")
#include "kernels/cpu/pointwise.h"
#endif
#if __has_include("kernels/cpu/pool.h")
#include "kernels/cpu/pool.h"
#endif
#if __has_include("kernels/cpu/reduce.h")
#include "kernels/cpu/reduce.h"
#endif
#if __has_include("kernels/cpu/scan.h")
#include "kernels/cpu/scan.h"
#endif
