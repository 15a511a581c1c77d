"""The Coze NATS operator: converges JetStream streams and consumers to CozeStream and CozeConsumer.

This package holds the product; the local control plane, the demo and the tests live outside it.
"""
