"""Commands about the tasks of a gym."""
