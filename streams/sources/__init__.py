"""Foreign systems: one module each, from the bytes that a system sends to usage and outcome events. Pure.

``decode(body, context)`` of a source gives what it read (:class:`~streams.sources.contract.Item`), what it refused and
what it passed over on purpose; :mod:`~streams.sources.booking` gives each item its team, hides its actor, and has the
worker's own decoder judge it. No prompt, completion, argument or address leaves a decoder.
"""
