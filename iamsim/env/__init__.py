"""What a snapshot holds: readers, the environment that they build, and what applies to a caller and a resource."""
