"""Websites and feeds: what is on the web becomes documents, politely, and never by way of our own network."""
