"""All kinds of bad neighbours: 20 tenants, and 15 servers that tenants name."""

from neighbours import connecting_tenants, declaring_tenants, servers, tenants_in_nats
from neighbours.kind import Kind

NOT_YET = frozenset(
    {
        "silent",
        "slow",
        "thousands-of-connections",
    }
)
"""What a good tenant feels, or has not been seen to bear: each name here is a fault to mend."""

TENANTS: tuple[Kind, ...] = tuple(
    kind
    for kinds in (declaring_tenants.KINDS, tenants_in_nats.KINDS, connecting_tenants.KINDS)
    for kind in kinds
    if kind.name not in NOT_YET
)
SERVERS: tuple[Kind, ...] = tuple(kind for kind in servers.KINDS if kind.name not in NOT_YET)
