"""Questions: their language, and the answers to each kind of them."""
