"""What the operator costs, beside the least that the same work could cost: `make bench`."""
