"""The solver: a term and hints about its variables give an assignment, a proof that there is none, or a reason."""
