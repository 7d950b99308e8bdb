"""The reference matcher: matching off chain, settlement on chain; trusted with nothing but the order of arrival.

`book` and `engine` decide without any I/O, `journal` makes decisions durable, `admission` reads the chain, `settler`
sends to it, `api` speaks to users.
"""
