"""The resources as frozen pydantic models: the single source of the CRDs in crds/.

A field's docstring is its description in `kubectl explain`; its bounds and rules are what the
apiserver enforces. What a field means to JetStream stands in `core.fields`, not here.
"""
