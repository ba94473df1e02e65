"""Looks into archives without unpacking them."""
