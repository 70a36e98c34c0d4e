// All leaves.
#pragma once

#include "kernels/math/arithmetic.h"
#include "kernels/math/cast.h"
#include "kernels/math/complex.h"
#include "kernels/math/complex_functions.h"
#include "kernels/math/erf.h"
#include "kernels/math/exp.h"
#include "kernels/math/gamma.h"
#include "kernels/math/generic.h"
#include "kernels/math/half.h"
#include "kernels/math/hyperbolic.h"
#include "kernels/math/integer.h"
#include "kernels/math/inverse.h"
#include "kernels/math/log.h"
#include "kernels/math/pow.h"
#include "kernels/math/special.h"
#include "kernels/math/trig.h"
