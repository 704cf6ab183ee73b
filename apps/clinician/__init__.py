"""The clinician's app: Streamlit pages over the names `cdss` exports, and nothing below them."""
