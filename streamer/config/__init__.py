"""Settings: fields, YAML files, the environment, and errors that name the line."""
