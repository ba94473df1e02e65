"""Readers of Office files: each part of a file is in its text, or named in a note."""
