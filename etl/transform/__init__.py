"""Pure functions on frames: no I/O, settings, clock or collect."""
