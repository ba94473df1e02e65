"""Takes conversations out of Ragsite and brings them in: docs/adr/0034-export-and-import.md."""
