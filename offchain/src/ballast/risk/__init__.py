"""Risk: scenario books, the margin engine's twin, history, stress."""
