"""Programs that measure; none is imported by iamsim."""
