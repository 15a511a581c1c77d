"""The one exception that this package raises on purpose."""


class ControlPlaneError(Exception):
    """Something stops the control plane; the message says what, and the remedy."""
