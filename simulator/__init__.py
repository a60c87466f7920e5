"""A simulated hospital: it speaks only the wire protocols. Here so far: the site file of the demo hospital."""
