"""The keeper: watches every account, starts auctions, bids, publishes prices. What to do is pure; doing it is thin."""
