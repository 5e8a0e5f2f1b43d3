"""Calls about machines: what is there, how fast it is, and a team's services."""
