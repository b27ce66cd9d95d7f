"""The queue on RabbitMQ: services publish to an exchange, nodes consume from a queue per priority.

Only here aio-pika is imported, and only when there is an address.
"""
