"""Distributions that are told by probabilities or by their logits."""

from .utils import lazy_property, logits_to_probs, probs_to_logits


class ProbsOrLogits:
    """One of ``probs`` and ``logits`` is given; the other follows when it is asked for."""

    _is_binary = True

    def _take_one(self, probs, logits):
        """Checks that one is given, and notes which."""
        if (probs is None) == (logits is None):
            raise ValueError(
                f"{type(self).__name__}: Either `probs` or `logits` must be specified, but not "
                "both."
            )
        self._given = "probs" if logits is None else "logits"
        return probs if logits is None else logits

    @lazy_property
    def probs(self):
        """The probabilities."""
        return logits_to_probs(self.logits, is_binary=self._is_binary)

    @lazy_property
    def logits(self):
        """The logits: logarithms of odds, or of probabilities of many outcomes."""
        return probs_to_logits(self.probs, is_binary=self._is_binary)

    @property
    def _param(self):
        return self.__dict__[self._given]

    @property
    def param_shape(self):
        """The shape of the probabilities."""
        return self._param.size()

    def _new(self, *args, **kwargs):
        return self._param.new(*args, **kwargs)
