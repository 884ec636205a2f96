"""A made-up night of a region: what its agencies would say from dusk to dawn, and somebody to say it."""
