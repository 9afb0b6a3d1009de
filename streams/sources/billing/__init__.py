"""What providers bill, as they report it: read for comparison with recorded usage, and never added to it."""
