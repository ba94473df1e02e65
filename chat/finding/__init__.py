"""Full-text search over the conversations of one user, and the command palette (docs/adr/0037-finding.md)."""
