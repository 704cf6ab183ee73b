"""What screens show, as escaped HTML: pure functions of what the hospital answered, without Streamlit."""
