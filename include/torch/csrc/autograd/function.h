// Where code that was written for PyTorch looks for it.
#pragma once

#include <flambeau/torch_autograd.h>
