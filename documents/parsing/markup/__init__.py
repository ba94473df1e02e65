"""What marks in a text mean, written as plain text: powers, formulas, readings, deletions."""
