"""Check frames against contracts, and zones against promises."""
