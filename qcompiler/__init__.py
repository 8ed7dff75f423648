"""Compile trained networks into accelerator Verilog that is verified bit by bit."""

__version__ = "0.1.0"
