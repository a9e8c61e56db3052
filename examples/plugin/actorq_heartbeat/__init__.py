"""An example of a plugin for actorq that uses every hook there is."""

from .heart import Heart, TellBeats
from .plugin import HeartbeatPlugin
from .timers import WheelTimers

__all__ = ["Heart", "HeartbeatPlugin", "TellBeats", "WheelTimers"]
