"""The `actorq` command: one module a group of verbs, `common` for what they share."""
