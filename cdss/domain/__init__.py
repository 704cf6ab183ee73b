"""Frozen types of the domain; standard library only."""
