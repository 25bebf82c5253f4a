"""Role hops: which sessions a caller can obtain, and what each carries along."""
