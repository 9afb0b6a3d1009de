"""``assay ingest``: the HTTP service that takes what other systems post, and says so once it cannot be lost any more.

A body is authenticated, read within bounds, decoded by its source, booked, and made durable as a whole: by Kafka, or,
while Kafka is away, by a bounded spool on this machine's disk. Only then is it answered.
"""
