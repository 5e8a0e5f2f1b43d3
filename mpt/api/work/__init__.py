"""What a call works with: gym, backbone, stores, tracker, and who hears how far it is."""
