"""Recordings -> frames, one file a front end, and how recordings are read through them."""

from untold.frontends._excerpt import Excerpt, excerpt
from untold.frontends._frontend import FrontEnd, adapt, blocks, read_frames, stack
from untold.frontends._warp import WarpMixture, fit_warp

__all__ = ["Excerpt", "FrontEnd", "WarpMixture", "adapt", "blocks", "excerpt", "fit_warp", "read_frames", "stack"]
