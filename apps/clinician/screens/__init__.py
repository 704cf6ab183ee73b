"""One page each: they ask the hospital, hand its answer to a view, and pass acts on. No rule lives here.

Not called `pages`: Streamlit takes a folder of that name beside app.py for scripts, and until the first visitor has
been to app.py it would answer a deep link with an empty page.
"""
