"""Rules that must hold and findings that need no rule: what `iamsim check` decides."""
