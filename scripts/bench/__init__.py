"""Benchmarks: `./dev bench gas`."""
