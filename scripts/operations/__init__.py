"""What governance does to a system that stands, one operation a file; `scripts/operate.py` runs them."""
