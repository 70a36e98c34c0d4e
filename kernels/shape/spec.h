// Shape rules give `Spec`s, which public headers name too: so they stand with tensors.
#pragma once

#include "core/tensor/spec.h"
