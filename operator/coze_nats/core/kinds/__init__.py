"""What sets one kind of resource apart from another: a folder each."""
