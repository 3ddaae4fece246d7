"""What is served by HTTP: the wall of cameras, figures, health."""
