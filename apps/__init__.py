"""Apps built on cdss."""
