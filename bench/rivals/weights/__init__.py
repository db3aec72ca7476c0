"""Methods that change the UNet: every subject has weights of its own, so nobody shares a call with anybody."""
