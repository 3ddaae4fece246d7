"""Examines this machine: what streamer needs, what is there, and what to do about the rest."""
