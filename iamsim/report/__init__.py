"""Output: answers and errors as text, JSON and HTML."""
