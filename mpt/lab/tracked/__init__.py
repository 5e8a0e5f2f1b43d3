"""What a tracker is told of studies, trials and promotions."""
