"""Proof by damage: a real cluster under real faults, and an oracle that compares what publishers
were told with what every client showed. ``python -m tests.chaos --help``; see docs/chaos.md.
"""
