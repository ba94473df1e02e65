"""Reads PDF files: the text of pages in reading order, form fields, comments and attached files."""
