"""Recording -> frames, one file a front end."""
