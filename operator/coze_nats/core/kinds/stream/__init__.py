"""CozeStream: its fields, and what changes of them cost."""
