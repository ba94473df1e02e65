"""How users keep their sessions in order: folders, tags and the archive."""
