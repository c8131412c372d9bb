"""What people and CI see: CLI, report, pytest plugin."""
