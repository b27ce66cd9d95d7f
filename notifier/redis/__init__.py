"""What every part that speaks to Redis needs, whatever it says to it."""
