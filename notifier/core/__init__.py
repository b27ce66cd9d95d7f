"""The domain: what notifications are and who sees them. Knows no socket, no HTTP, no driver."""
