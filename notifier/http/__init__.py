"""The HTTP interface: REST, identity, health, metrics, and the pages and files beside them."""
