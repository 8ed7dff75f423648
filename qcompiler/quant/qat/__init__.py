"""Quantization-aware training: what its methods share."""
