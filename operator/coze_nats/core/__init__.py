"""The decisions, as pure functions of frozen data.

Nothing in here knows Kopf, the kubernetes package, nats-py, asyncio, a clock or the environment:
time, server facts and observations are arguments, and what comes out is a value.
"""
