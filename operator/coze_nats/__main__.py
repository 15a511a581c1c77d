"""`python -m coze_nats` is `coze-nats`."""

import sys

from coze_nats.cli import main

sys.exit(main())
