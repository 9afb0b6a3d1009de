"""Pages, one a module: each a function from what is known and what is asked for to a view."""
