"""Shared links: others read a conversation as it was. Each reader's own rights decide what they see of it (ADR 35)."""
