"""Cameras of the network that say what they are (ONVIF): a probe, what each has to offer, and a configuration for them."""
