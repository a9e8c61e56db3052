"""Where processes meet: paths, rendezvous, sockets and their limits."""
