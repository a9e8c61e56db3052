"""Values that travel between processes and actors: no input, no output, no decisions."""
