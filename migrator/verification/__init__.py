"""Do two models compute the same? Inputs that fit, runs in separate processes, a comparison."""
