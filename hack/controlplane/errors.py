"""The one exception that this package raises on purpose."""


class ControlPlaneError(Exception):
    """Something about this machine stops the control plane; the message says what and the remedy."""
