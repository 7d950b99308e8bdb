"""`./dev study`: how liquidation by auction fares in past crises, beside what others do."""
