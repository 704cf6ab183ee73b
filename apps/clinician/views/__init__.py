"""What screens show, as escaped HTML: pure functions of what the hospital answered, with nothing of Streamlit in them."""
