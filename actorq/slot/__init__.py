"""What runs in a child process: the zygote that forks slots, and the slot that runs tasks."""
