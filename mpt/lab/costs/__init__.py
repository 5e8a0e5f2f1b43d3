"""What work costs: counted, timed on this device, or forecast for one that is not there."""
