"""What a task is: its definition and options, its retry arithmetic, and the request it runs for.

Nothing here knows sockets or files. A task reaches the outside through the `App` it belongs to.
"""

from actorq.tasks.request import Request, current_request, current_task, pop_request, push_request
from actorq.tasks.task import CoroutineTask, Task

__all__ = ["CoroutineTask", "Request", "Task", "current_request", "current_task", "pop_request", "push_request"]
