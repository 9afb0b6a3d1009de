"""OpenTelemetry: OTLP in both of its forms, and the dialects in which model calls are told in it."""
