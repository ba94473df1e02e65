"""How documents come in: each `add_*` records one document that will be ingested once."""
