"""Where annotated frames go."""
