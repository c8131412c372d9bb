"""The field's own nouns: frozen dataclasses and pure functions. No protocol, no file format."""
