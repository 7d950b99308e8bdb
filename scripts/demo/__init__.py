"""The demo: a real crash replayed on a local chain, with keepers running as any operator would run them."""
