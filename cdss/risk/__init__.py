"""Numbers -> risk."""
