"""The caller's side: the outbox that keeps what was sent, and the link that ships it and brings results back."""
