"""The Kubernetes API: one HTTP session, and the few requests that Kopf doesn't make.

The only package that knows the kubernetes library; HTTP's errors end in `api`.
"""
