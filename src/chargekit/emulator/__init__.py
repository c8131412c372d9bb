"""Virtual hardware: station firmware, the plant, meters, and named defects."""
