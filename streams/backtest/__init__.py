"""Which alerts a policy would have raised, and how they differ from another's, before it goes live."""
