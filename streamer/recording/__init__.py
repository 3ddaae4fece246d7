"""The camera's own stream, kept as it came: segments, the newest packets in memory, clips. Nothing here decodes pictures."""
