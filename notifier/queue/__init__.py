"""The durable queue, in Redis or RabbitMQ: services append, nodes publish what they find, in order.

In Redis a stream for each priority, one consumer group on all of them; in RabbitMQ (``amqp``) a
queue for each. What is there has not been stored yet; what has been stored, or can never be, leaves
it. See docs/publishing.md.
"""
