"""The durable queue on Redis Streams: services append, nodes publish what they find, in order.

A stream for each priority, one consumer group on all of them. What is in a stream has not been
stored yet; what has been stored, or can never be, leaves it. See docs/publishing.md.
"""
