"""A real Kubernetes API server and real NATS servers on loopback, without containers.

For the demo, the tests, the benchmarks and `make dev`. Not for production: etcd does not sync to
disk, nothing runs pods, and every instance throws its data away when it stops.
"""

from controlplane.errors import ControlPlaneError
from controlplane.recipes import Binary

__all__ = ["Binary", "ControlPlaneError"]
