"""What is logged to a tracker of studies, trials and promotions."""
