"""Named settings of methods, one file each."""
