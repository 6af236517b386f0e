"""What the operating system is asked for: locks, signals, processes, GPUs. Knows nothing of GANs."""
