"""cdss."""
