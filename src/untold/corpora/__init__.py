"""Sources of recordings, one file a corpus or kind of source."""
