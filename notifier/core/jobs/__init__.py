"""What is done later: scheduled notifications, collapsed ones, digests. See docs/jobs.md.

A job may be run twice, by two runners, and be cut short anywhere. So every job first writes down
what it is going to do, with the id of the notification that will come of it, and then does only
what changes nothing when it is done again.
"""
