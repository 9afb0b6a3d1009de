"""OpenTelemetry: OTLP in both of its forms, and the dialects in which model calls are told in it.

:mod:`~streams.sources.otlp.reading` gives spans, log records and data points whatever the encoding; each dialect is a module;
:mod:`~streams.sources.otlp.decoding` puts them together.
"""
