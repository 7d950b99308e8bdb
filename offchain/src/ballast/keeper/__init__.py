"""The keeper: watches every account, starts auctions, bids, keeps the oracle, publishes prices.

What to do is pure; doing it is thin.
"""
