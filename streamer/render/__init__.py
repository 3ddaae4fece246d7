"""Drawing instances onto YUV planes."""
