// Where code that was written for PyTorch looks for it.
#pragma once

#include <flambeau/library.h>
