"""How the mathematics is computed on this machine: devices, matrix products, CUDA graphs."""
