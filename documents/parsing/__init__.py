"""Turns a file's bytes into sections. Runs in a process of its own only (`python -m documents.parsing`).

Knows no Django: what a hostile file can reach from here is this folder and the file itself.
"""
