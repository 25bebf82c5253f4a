"""What a policy says; no AWS rule is applied here."""
