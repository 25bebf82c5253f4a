"""Decision procedures, one per sort of variable: atoms asserted and denied give a value, or a conflict."""
