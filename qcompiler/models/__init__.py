"""Float networks that the demo and the benchmarks compile, and their data."""
