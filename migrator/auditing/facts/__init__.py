"""What is known of ops and of blockers, whatever the model."""
