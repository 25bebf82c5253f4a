"""One caller, one operation, one condition: the answer, with its witness, core, reasons and assumptions."""
