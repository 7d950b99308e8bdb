"""Ballast off chain: risk, chain access, keeper, reconciliation, command line. Imports without ape."""

__version__ = "0.1.0"
