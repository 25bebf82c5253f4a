"""What AWS does: tables, one module per topic, each row with its source."""
