// Shares of gamma and beta distributions, and how draws from these move with parameters.
//
// Implicit gradients of draws: with F the distribution function and p its density, a draw x that
// keeps its share F(x; a) of all that is below it moves with a parameter a by -(dF/da) / p.
#pragma once

namespace flambeau::inline v1 {

// F of a gamma distribution of this shape and rate 1, and 1 - F.
double gamma_share(double shape, double x);
double gamma_share_above(double shape, double x);

// Of x from a gamma distribution of this shape and rate 1.
double gamma_slope(double shape, double x);

// Of x from Beta(alpha, total - alpha) with alpha, over 1 - x.
double dirichlet_slope(double x, double alpha, double total);

}  // namespace flambeau::inline v1
