"""Workflows as values: signatures and the primitives that join them. Nothing here sends, waits or keeps anything."""

from actorq.canvas.maps import xmap, xstarmap
from actorq.canvas.primitives import chain, chord, chunks, group, signature
from actorq.canvas.signature import Sender, Signature

__all__ = ["Sender", "Signature", "chain", "chord", "chunks", "group", "signature", "xmap", "xstarmap"]
