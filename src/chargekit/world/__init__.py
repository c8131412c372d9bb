"""The pure driver: events, effects, the heap and the History."""
