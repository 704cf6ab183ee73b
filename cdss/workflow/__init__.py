"""Use cases: plain functions over the rooms below."""
