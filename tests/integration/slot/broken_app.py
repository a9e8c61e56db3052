"""An application that can't be imported."""

raise RuntimeError("no database\nat all")
