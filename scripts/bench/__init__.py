"""Benchmarks: `./dev bench gas`, `./dev bench capital`."""
