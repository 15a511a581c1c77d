"""JetStream over nats-py: the only package that knows the nats library.

    gateway ─→ connection ─→ session ─→ client (nats-py)
       │            │           └─→ requests, subscriptions, authentication ─→ tls
       └─→ paging   └─→ options ←─ environment

Exceptions of nats-py, of sockets and of TLS end in `failures`. What to create, change or delete is
decided elsewhere.
"""
