"""Frozen language models that read soft prompts."""
