"""Append-only memory: what was shown, who decided, and proof of both.

Nothing is imported here, so that `python -m cdss.ledger.verify` shares no code with the writer.
"""
