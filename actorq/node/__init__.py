"""One node: its component graph, and each component in a file of its own."""
