"""Many runs: parameter sweeps over worker processes or a cluster, and their results as data."""
