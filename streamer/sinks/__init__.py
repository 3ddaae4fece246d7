"""Where annotated frames go: files, segments, network streams, windows, records."""
