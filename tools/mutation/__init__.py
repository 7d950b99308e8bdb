"""Removes the protocol's rules one by one, and shows that a test notices: `./dev mutate`, docs/mutations.md."""
