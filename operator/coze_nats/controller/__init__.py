"""When a reconcile runs: the keyed queue, the cache of resources, and the periodic resync.

What a reconcile does is in `coze_nats.reconcile`; who watches the apiserver is in
`coze_nats.handlers`.
"""
