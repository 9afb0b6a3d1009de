"""The console, `assay console`: pages for people over what the topics hold, from a view of them that is kept in memory.

:mod:`feeds` follows the topics into :mod:`figures`, :mod:`alerts` and :mod:`letters`; :mod:`scrapes` asks workers for their
metrics. :mod:`views` turn that into pages and their JSON twins, without any input or output of their own.
"""
