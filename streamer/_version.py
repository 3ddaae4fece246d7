"""The version, where it can be imported without anything else."""

__version__ = "0.1.0"
