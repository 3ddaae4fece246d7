"""A detector on another machine or in another process, asked by KServe's protocol v2."""
