"""Recordings and results at addresses of object storage (``s3://…``): fetched, worked on, and put there whole."""
