"""Where frames come from: recordings, pictures, cameras, network streams."""
