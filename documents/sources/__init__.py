"""Websites and feeds: turns web pages into documents, politely, and never reaches into our own network."""
