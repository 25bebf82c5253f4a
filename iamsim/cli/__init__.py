"""The command line: parse, call a query, call a report, exit."""
