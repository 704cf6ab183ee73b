"""One page each: they ask the hospital, hand its answer to a view, and pass acts on. No rule lives here."""
