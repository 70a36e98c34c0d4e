// Every kernel, for the generated entries.
#pragma once

#if __has_include("kernels/cpu/conv/convolution.h")
#include "kernels/cpu/conv/convolution.h"
#endif
#if __has_include("kernels/cpu/index/index.h")
#include "kernels/cpu/index/index.h"
#endif
#if __has_include("kernels/cpu/rearrange/join.h")
#include "kernels/cpu/rearrange/join.h"
#endif
#if __has_include("kernels/cpu/loss/loss.h")
#include "kernels/cpu/loss/loss.h"
#endif
#if __has_include("kernels/cpu/norm/norm.h")
#include "kernels/cpu/norm/norm.h"
#endif
#if __has_include("kernels/cpu/order/order.h")
#include "kernels/cpu/order/order.h"
#endif
#if __has_include("kernels/cpu/pointwise/pointwise.h")
#include "kernels/cpu/pointwise/pointwise.h"
#endif
#if __has_include("kernels/cpu/pool/pool.h")
#include "kernels/cpu/pool/pool.h"
#endif
#if __has_include("kernels/cpu/reduce/reduce.h")
#include "kernels/cpu/reduce/reduce.h"
#endif
#if __has_include("kernels/cpu/scan/scan.h")
#include "kernels/cpu/scan/scan.h"
#endif
#if __has_include("kernels/cpu/random/fills.h")
#include "kernels/cpu/random/fills.h"
#endif
