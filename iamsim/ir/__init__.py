"""Terms and what is read from them: one boolean language, many readers."""
