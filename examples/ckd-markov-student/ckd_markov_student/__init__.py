"""A student for ckd-plugins: a factorised Markov chain."""
