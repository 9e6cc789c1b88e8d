"""Many runs at once: on this machine's cores, its GPUs or a Ray cluster."""
