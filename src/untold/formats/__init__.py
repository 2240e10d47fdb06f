"""Files of other programs and of ours: read by corpora, written by commands."""
