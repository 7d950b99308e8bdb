"""Volatility surfaces: option quotes, one raw SVI an expiry without static arbitrage, words for the chain."""
