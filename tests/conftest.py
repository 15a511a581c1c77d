"""What holds for all tests."""

from hypothesis import settings

# Machines stand still now and then, which is no finding. And a tree that hasn't changed is judged
# by the examples that it was judged by before; `make test-safety` looks for new ones.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")
