"""`python -m actorq`: the command without its script."""

from actorq.cli.main import main

if __name__ == "__main__":
    main()
