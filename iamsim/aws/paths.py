"""The paths of roles that only AWS changes."""

from __future__ import annotations

LINKED = "/aws-service-role/"
"""Of roles that are linked to a service. Source: IAM User Guide, "Create a service-linked role"."""

RESERVED = "/aws-reserved/"
"""Of roles that AWS keeps for permission sets. Source: IAM Identity Center User Guide, "Permission sets"."""

FIXED = (LINKED, RESERVED)
"""Of all roles that no customer changes. Source: IAM User Guide, "IAM identifiers", paths."""
