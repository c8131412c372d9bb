"""Cases, expectations, always-on checks, verdicts."""
