"""Read from the legacy or from a zone, and nothing else."""
