"""Turns a file's bytes into sections. Runs only in its own sandbox process (`python -m documents.parsing`).

It does not import Django: a hostile file can reach only the code of this folder and the file itself.
"""
