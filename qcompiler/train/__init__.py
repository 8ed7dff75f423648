"""Training with quantization: data, loop, checkpoints, and the integer network at the end."""
