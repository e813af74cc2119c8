"""Text encoders: what turns an item's text into a vector."""
